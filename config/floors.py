"""What keeps the replicas of services, and whether what is decided about them is applied."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.fields import Amount, Name, Pause, PositiveRatio, Seconds, Shape, Text, Word


class KeptService(Shape):
    """The object that says how many replicas of a service there are at least."""

    keeper: Literal["deployment", "autoscaler", "keda"] = "autoscaler"
    """autoscaler: minReplicas of a HorizontalPodAutoscaler. keda: minReplicaCount of a ScaledObject. deployment:
    replicas of a Deployment that no autoscaler scales."""
    namespace: Name | None = None
    """Where it is. Omitted: the namespace of the workloads."""
    name: Name | None = None
    """Its name. Omitted: that of the service."""
    deployment: Name | None = None
    """The Deployment whose replicas they are. Omitted: one of the same name."""


class Workloads(Shape):
    """What keeps the replicas in one cluster. `equipoise rbac --floors CLUSTER` prints the rights."""

    kubeconfig: Text | None = None
    """A file on this machine; exec plugins in it are refused. Omitted: the service account of our own pod."""
    context: Text | None = None
    """The context in it. Omitted: the current one."""
    namespace: Name
    """Where the objects are."""
    services: dict[Name, KeptService] = Field(min_length=1)
    """By service; what is left out is never touched."""


class KarmadaService(Shape):
    """The PropagationPolicy that divides the replicas of a service over the clusters of a Karmada."""

    namespace: Name | None = None
    """Where it is. Omitted: the namespace of the workloads."""
    name: Name | None = None
    """Its name. Omitted: that of the service."""


class Karmada(Shape):
    """A Karmada whose policies divide replicas over clusters. `equipoise rbac --floors karmada` prints the rights."""

    kubeconfig: Text
    """Of Karmada's API server, a file on this machine; exec plugins in it are refused."""
    context: Text | None = None
    """The context in it. Omitted: the current one."""
    namespace: Name
    """Where the policies are."""
    clusters: dict[Name, Word] = Field(min_length=1)
    """What Karmada calls each cluster that it may use."""
    services: dict[Name, KarmadaService] = Field(min_length=1)
    """By service."""


class Floors(Shape):
    """Whether replicas follow the assignment: as least replicas, from which an autoscaler may only go up."""

    apply: Literal["never", "dry-run", "bounded"] = "never"
    """never: what is decided is shown. dry-run: every step is tried by a dry run of the API server and recorded;
    nothing changes. bounded: steps are made within these limits, in mode auto alone."""
    period_seconds: Seconds = 60.0
    """From one step to the next; where a cluster was lost the next one comes at once."""
    step_ratio: PositiveRatio = 0.2
    """A floor moves by no more than this part of itself in a step, and always by one replica."""
    spare_ratio: Annotated[Amount, Field(le=10)] = 0.2
    """A floor is never lowered below what serves the load of now plus this part of it."""
    lower_after_seconds: Pause = 900.0
    """A floor is lowered after less has been wanted for this long."""
    karmada: Karmada | None = None
    """Services whose replicas a Karmada divides. All others are named by their Cluster."""

    @model_validator(mode="after")
    def _patient(self) -> Self:
        if self.lower_after_seconds < self.period_seconds:
            least, most = self.period_seconds, self.lower_after_seconds
            raise ValueError(f"lowerAfterSeconds {most:g} is below periodSeconds {least:g}: floors would flutter")
        return self
