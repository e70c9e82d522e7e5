"""Faithfulness of maps and translations: deletion and insertion, parameter randomisation, counterfactual axioms."""

from bundle.evaluation.faithfulness.counterfactuals import CounterfactualAxioms
from bundle.evaluation.faithfulness.deletion import Deletion
from bundle.evaluation.faithfulness.faithfulness import Faithfulness
from bundle.evaluation.faithfulness.independent_classifier import IndependentClassifier
from bundle.evaluation.faithfulness.randomisation import Randomisation

__all__ = ["CounterfactualAxioms", "Deletion", "Faithfulness", "IndependentClassifier", "Randomisation"]
