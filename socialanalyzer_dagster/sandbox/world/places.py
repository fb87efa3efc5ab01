"""Where creators live: mostly the United States, then other English-speaking and some other countries."""

from socialanalyzer_dagster.sandbox.world.dice import Dice
from socialanalyzer_dagster.sandbox.world.models import Place

US_CITIES: tuple[tuple[str, str], ...] = (
    ("Boulder", "Colorado"), ("Austin", "Texas"), ("Portland", "Oregon"), ("Asheville", "North Carolina"),
    ("Nashville", "Tennessee"),
    ("Seattle", "Washington"), ("Denver", "Colorado"), ("Chicago", "Illinois"), ("Brooklyn", "New York"), ("Atlanta",
    "Georgia"),
    ("Phoenix", "Arizona"), ("Tucson", "Arizona"), ("Savannah", "Georgia"), ("Charleston", "South Carolina"),
    ("Madison", "Wisconsin"),
    ("Minneapolis", "Minnesota"), ("Duluth", "Minnesota"), ("Omaha", "Nebraska"), ("Tulsa", "Oklahoma"), ("Houston",
    "Texas"),
    ("Dallas", "Texas"), ("Miami", "Florida"), ("Tampa", "Florida"), ("Orlando", "Florida"), ("Boston",
    "Massachusetts"),
    ("Salem", "Massachusetts"), ("Providence", "Rhode Island"), ("Burlington", "Vermont"), ("Ithaca", "New York"),
    ("Buffalo", "New York"),
    ("Pittsburgh", "Pennsylvania"), ("Philadelphia", "Pennsylvania"), ("Baltimore", "Maryland"), ("Richmond",
    "Virginia"),
    ("Raleigh", "North Carolina"), ("Louisville", "Kentucky"), ("Columbus", "Ohio"), ("Cleveland", "Ohio"),
    ("Detroit", "Michigan"),
    ("Lansing", "Michigan"), ("Indianapolis", "Indiana"), ("Memphis", "Tennessee"), ("Albuquerque", "New Mexico"),
    ("Taos", "New Mexico"), ("Boise", "Idaho"), ("Missoula", "Montana"), ("Bozeman", "Montana"), ("Spokane",
    "Washington"),
    ("Eugene", "Oregon"), ("Sacramento", "California"), ("Oakland", "California"), ("Fresno", "California"),
    ("Ventura", "California"),
    ("Honolulu", "Hawaii"), ("Anchorage", "Alaska"), ("Flagstaff", "Arizona"), ("Sedona", "Arizona"), ("Durango",
    "Colorado"),
    ("Moab", "Utah"), ("Provo", "Utah"),
)  # fmt: skip
_ABROAD: tuple[tuple[str, str | None, str, str, str], ...] = (
    ("London", "England", "United Kingdom", "GB", "en"), ("Bristol", "England", "United Kingdom", "GB", "en"),
    ("Toronto", "Ontario", "Canada", "CA", "en"), ("Vancouver", "British Columbia", "Canada", "CA", "en"),
    ("Melbourne", "Victoria", "Australia", "AU", "en"), ("Dublin", None, "Ireland", "IE", "en"),
    ("Madrid", None, "Spain", "ES", "es"), ("Berlin", None, "Germany", "DE", "de"), ("Lisbon", None, "Portugal",
    "PT", "pt"),
    ("Lyon", None, "France", "FR", "fr"), ("Osaka", None, "Japan", "JP", "ja"), ("Bologna", None, "Italy", "IT", "it"),
)  # fmt: skip
_US_SHARE = 0.80


def make(dice: Dice) -> tuple[Place, str]:
    """A place and the language spoken there by this creator (ISO 639-1)."""
    is_american, draw, is_plain = dice.chance(_US_SHARE), dice.bits(), dice.chance(0.98)
    if is_american:
        city, state = US_CITIES[draw % len(US_CITIES)]
        return Place(city, state, "United States", "US"), "en" if is_plain else "es"
    city_abroad, region, country, code, language = _ABROAD[draw % len(_ABROAD)]
    return Place(city_abroad, region, country, code), language
