"""What is left to a radiologist on validation, made up."""

from contract.settings import ReferralSettings
from evaluation.decision_band import DecisionBand
from evaluation.referral import Referral
from evaluation.slice_metrics import slice_metrics_from_counts

# Of 120 images 18 are referred; of the others, one pneumonia is missed.
REFERRAL = Referral(
    settings=ReferralSettings(),
    band=DecisionBand(low=0.2, high=0.6),
    num_cases=120,
    num_unfamiliar=3,
    num_uncertain=15,
    decided=slice_metrics_from_counts(
        tp=85, fp=0, tn=16, fn=1, auc=None, mean_probability=None, brier=None, log_loss=None
    ),
)
