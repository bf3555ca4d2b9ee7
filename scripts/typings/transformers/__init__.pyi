# For pyright alone: what llmsafe takes from transformers, from where it is defined. The package's
# own __init__ imports every model there is, which a checker reads in full (a third of its time);
# the types are the same. A new name is added here, or pyright says that it is unknown.

from transformers.generation.stopping_criteria import StoppingCriteria as StoppingCriteria
from transformers.generation.streamers import TextStreamer as TextStreamer
from transformers.modeling_utils import PreTrainedModel as PreTrainedModel
from transformers.models.auto.configuration_auto import AutoConfig as AutoConfig
from transformers.models.auto.modeling_auto import AutoModelForCausalLM as AutoModelForCausalLM
from transformers.models.auto.tokenization_auto import AutoTokenizer as AutoTokenizer
from transformers.models.llama.configuration_llama import LlamaConfig as LlamaConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM as LlamaForCausalLM
from transformers.tokenization_utils_base import PreTrainedTokenizerBase as PreTrainedTokenizerBase
from transformers.utils.quantization_config import BitsAndBytesConfig as BitsAndBytesConfig
from transformers.utils.quantization_config import TorchAoConfig as TorchAoConfig
