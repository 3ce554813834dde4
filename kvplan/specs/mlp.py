"""The widths of a model's MLPs, by which an engine's profile run is sized."""

from pydantic import model_validator

from kvplan.attention.base import Count, Facts


class Mlp(Facts):
    """
    What a layer computes beside its mixer, by the names of config.json.

    `intermediate` is the width of a dense MLP, the widest of the model's (intermediate_size); None where
    all layers have experts alone. `experts_per_token` are the routed experts that a token visits
    (num_experts_per_tok), and `expert_intermediate` is the width of one (moe_intermediate_size); both or
    neither. They may be those of `groups_per_token` of `expert_groups` alone (topk_group, n_group), and their
    weights may be `scaled` by a factor that is not 1 (routed_scaling_factor). An MLP that is not `gated` has
    two matrices in place of three.
    """

    intermediate: Count | None = None
    experts_per_token: Count | None = None
    expert_intermediate: Count | None = None
    expert_groups: Count = 1
    groups_per_token: Count = 1
    scaled: bool = False
    gated: bool = True

    @model_validator(mode="after")
    def _experts_are_whole(self) -> "Mlp":
        if (self.experts_per_token is None) != (self.expert_intermediate is None):
            raise ValueError("experts_per_token and expert_intermediate go together")
        if self.intermediate is None and self.experts_per_token is None:
            raise ValueError("expected intermediate, or experts_per_token and expert_intermediate")
        if self.groups_per_token > self.expert_groups:
            raise ValueError("groups_per_token are of expert_groups, and no more")
        return self
