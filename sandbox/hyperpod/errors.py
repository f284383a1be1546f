"""How the simulated service says no."""


class ServiceError(Exception):
    """An error as the service answers it.

    `code` is the word before the colon in what an SDK prints, `status` the HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class AnswerLostError(Exception):
    """The call was accepted, and its answer never reached the caller."""


def validation(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)


def conflict(message: str) -> ServiceError:
    return ServiceError("ConflictException", message)


def not_found(cluster: str) -> ServiceError:
    return ServiceError("ResourceNotFound", f"Cluster with name or ARN {cluster} not found.")
