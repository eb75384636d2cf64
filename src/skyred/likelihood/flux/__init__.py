"""The norm of a source: flux points, and all else that is found along one norm."""
