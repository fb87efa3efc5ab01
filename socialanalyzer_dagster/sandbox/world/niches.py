"""What the world's creators are about: niches with their words, interests, categories and fitness as trip hosts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Niche:
    """One topic. ``weight`` is its share among Instagram creators, ``appeal`` shifts how good hosts its creators are.

    ``group_word`` stands in names of Facebook groups; ``subjects`` are things posts are about; ``trip`` is what a host
    would offer. ``reject_code`` is the triage code of topics that are never taken, else None.
    """

    key: str
    label: str
    category: str
    interests: tuple[str, ...]
    hashtags: tuple[str, ...]
    phrases: tuple[str, ...]
    subjects: tuple[str, ...]
    group_word: str
    trip: str
    weight: int
    appeal: float
    reject_code: str | None = None


_TRAVEL = "Travel, Tourism & Aviation"
_FITNESS = "Fitness & Yoga"
_HEALTHY = "Healthy Lifestyle"
_FOOD = "Restaurants, Food & Grocery"
_ART = "Art & Design"
_BUSINESS = "Business & Careers"
_SPORTS = "Sports"
_CARS = "Cars & Motorbikes"
_KIDS = "Toys, Children & Baby"


def _niche(
    key: str, category: str, interests: tuple[str, ...], words: str, more: str, numbers: tuple[int, float]
) -> Niche:
    """``words``: hashtags | bio phrases; ``more``: label | subjects | group word | trip | reject code or nothing."""
    hashtags, phrases = words.split("|")
    label, subjects, group_word, trip, reject_code = more.split("|")
    return Niche(
        key=key,
        label=label,
        category=category,
        interests=interests,
        hashtags=tuple(hashtags.split()),
        phrases=tuple(phrase.strip() for phrase in phrases.split(",")),
        subjects=tuple(subject.strip() for subject in subjects.split(",")),
        group_word=group_word,
        trip=trip,
        weight=numbers[0],
        appeal=numbers[1],
        reject_code=reject_code or None,
    )


NICHES: tuple[Niche, ...] = (
    _niche("solo_travel", "exploration", (_TRAVEL, "Camera & Photography"),
           "travel solotravel wanderlust travelgram femaletravel|solo female travel, travel storyteller, slow "
           "travel, group trips for women",
           "Solo travel|a night train, a guesthouse kitchen, getting lost in an old town, packing one bag, "
           "travelling alone at 40|solotravelers|small group trip for solo travellers|", (60, 0.10)),
    _niche("hiking", "outdoor_adventure", (_TRAVEL, _HEALTHY, _FITNESS),
           "hiking hikinggirls trailtime optoutside womenwhohike|hiking retreats, trail guide, weekend hikes, long "
           "distance hiker",
           "Hiking|a ridge walk at sunrise, blisters and boots, a hut supper, trail snacks, the first 100 "
           "miles|hikers|week-long hiking trip with a local guide|", (55, 0.10)),
    _niche("yoga", "health_wellness", (_FITNESS, _HEALTHY),
           "yoga yogateacher yogaretreat vinyasa breathwork|yoga teacher, yoga retreats, breathwork and slow flow, "
           "retreat host",
           "Yoga|a slow morning flow, teaching a full room, a shaky handstand, breath practice, why rest is "
           "practice|yogis|yoga retreat by the sea|", (60, 0.12)),
    _niche("wellness_coach", "health_wellness", (_HEALTHY, "Healthcare & Medicine"),
           "wellness selfcare mentalhealth healing mindfulness|wellness coach, nervous system work, burnout "
           "recovery, women's circles",
           "Wellness coaching|saying no, a burnout diary, evening rituals, a circle of strangers, grief and "
           "tea|wellness|wellness retreat with daily circles|", (50, 0.09)),
    _niche("spirituality", "empowerment", (_HEALTHY,),
           "spirituality meditation moon sacred soulwork|meditation guide, sacred travel, soul work, moon circles",
           "Spirituality|a silent weekend, full moon notes, an altar at home, meditation for restless people, "
           "pilgrimages|seekers|pilgrimage with daily meditation|", (35, 0.07)),
    _niche("cooking", "food_drink", (_FOOD,),
           "cooking homecooking recipes foodie slowfood|home cook, recipe writer, supper clubs, seasonal cooking "
           "classes",
           "Cooking|a pot of beans, a market morning, grandmother's dumplings, cooking for ten, failed "
           "sourdough|homecooks|food tour with market visits and cooking days|", (60, 0.06)),
    _niche("vegan_food", "food_drink", (_FOOD, _HEALTHY),
           "vegan plantbased veganrecipes vegetarian meatless|plant based recipes, vegan cook, kind kitchen",
           "Vegan food|a week of vegan dinners, tofu that tastes of something, a farm visit, cheap plant "
           "meals|vegans|plant-based cooking week|", (30, 0.04)),
    _niche("wine", "food_drink", ("Beer, Wine & Spirits", _FOOD),
           "wine winelover sommelier naturalwine winetasting|sommelier, wine tastings, vineyard weekends",
           "Wine|a cellar door, harvest week, wines under 15, tasting blind, pairing with crisps|winelovers|vineyard "
           "tour with tastings|", (25, 0.05)),
    _niche("coffee", "food_drink", ("Coffee, Tea & Beverages",),
           "coffee specialtycoffee barista latteart homebarista|barista trainer, coffee origin stories, tasting "
           "classes",
           "Coffee|a farm at origin, dialling in, the perfect cup on a camp stove, cupping at home|coffeefans|coffee "
           "origin tour|", (20, 0.04)),
    _niche("knitting", "art_design", (_ART, "Shopping & Retail"),
           "knitting knittersofinstagram yarn fiberart handmade|knitwear designer, yarn retreats, knit alongs",
           "Knitting|casting on again, a sweater for winter, dyeing with onion skins, a knit along, a wool "
           "festival|knitters|knitting retreat in wool country|", (30, 0.13)),
    _niche("painting", "art_design", (_ART,),
           "painting watercolor artistsoninstagram pleinair sketchbook|watercolor teacher, plein air painter, art "
           "workshops, sketchbook habits",
           "Painting|a wet afternoon sky, mixing greens, fear of the blank page, a sketchbook tour, painting "
           "outdoors|painters|watercolor workshop abroad|", (40, 0.11)),
    _niche("ceramics", "art_design", (_ART,),
           "ceramics pottery wheelthrown clay studiopottery|potter, clay workshops, studio teacher",
           "Ceramics|opening the kiln, a cracked bowl, glaze tests, throwing a moon jar|potters|pottery workshop "
           "week|", (25, 0.10)),
    _niche("photography", "art_design", ("Camera & Photography", _TRAVEL, "Wedding"),
           "photography filmphotography travelphotography portrait analog|photographer, photo walks, photography "
           "workshops, film stories",
           "Photography|a roll of film in fog, portraits of strangers, editing less, golden hour, one lens for a "
           "year|photographers|photography expedition|", (50, 0.06)),
    _niche("books", "learning", (_ART, "Television & Film"),
           "bookstagram books readingcommunity bookclub reader|book club host, reader, literary retreats, novel "
           "lover",
           "Books|a reading slump, ten books for autumn, our book club pick, annotating, a library "
           "visit|readers|literary retreat with walks|", (45, 0.10)),
    _niche("writing", "learning", (_ART, _BUSINESS),
           "writing writersofinstagram poetry memoir journaling|writing coach, memoir workshops, journaling prompts, "
           "author",
           "Writing|a first draft, writing about family, morning pages, a rejection letter, finding a "
           "voice|writers|writing retreat|", (30, 0.10)),
    _niche("language_learning", "learning", (_BUSINESS, _TRAVEL),
           "languagelearning learnspanish polyglot studygram french|language teacher, learn Spanish with me, "
           "polyglot notes",
           "Language learning|ten false friends, ordering coffee in Spanish, a tandem evening, learning at "
           "50|languagelearners|language immersion trip|", (25, 0.08)),
    _niche("history", "learning", (_TRAVEL, _ART),
           "history archaeology museum historynerd medieval|historian, museum walks, history tours",
           "History|a forgotten queen, walls of an old city, museum store rooms, reading a ruin|historyfans|history "
           "tour with a historian|", (25, 0.09)),
    _niche("career_coach", "empowerment", (_BUSINESS,),
           "careercoach leadership womeninbusiness entrepreneur mindset|career coach, leadership workshops, business "
           "mentor for women, keynote speaker",
           "Career coaching|asking for a raise, a quiet quitter's diary, leading without shouting, the first "
           "hire|careerwomen|leadership retreat|", (45, 0.09)),
    _niche("body_positivity", "empowerment", ("Clothes, Shoes, Handbags & Accessories", _HEALTHY),
           "bodypositivity selflove midsize confidence plussize|body positive, midsize style, confidence coach, "
           "girls' trips",
           "Body positivity|a swimsuit at every size, comments I deleted, dancing badly, dressing for "
           "joy|confidence|girls' trip|", (35, 0.08)),
    _niche("dance", "entertainment", ("Music", _FITNESS),
           "dance dancer salsa polefitness choreography|dance teacher, salsa weekends, pole and flow, dance camps",
           "Dance|a first salsa night, counting in eights, pole bruises, teaching beginners, dancing after an "
           "injury|dancers|dance camp abroad|", (35, 0.08)),
    _niche("running", "fitness_sport", (_FITNESS, _SPORTS),
           "running runner marathontraining runnersofinstagram trailrunning|running coach, marathon training, run "
           "club host",
           "Running|the last six miles, a slow run club, rest weeks, running with asthma|runners|running "
           "camp|", (40, 0.05)),
    _niche("pilates", "fitness_sport", (_FITNESS, "Activewear"),
           "pilates barre pilatesteacher corestrength reformer|pilates instructor, barre classes, pilates retreats",
           "Pilates|ten minutes for tired backs, teaching barre, breathing wide, strength after "
           "birth|pilates|pilates retreat|", (40, 0.09)),
    _niche("strength", "fitness_sport", (_FITNESS,),
           "strengthtraining gym liftingwomen fitnesscoach personaltrainer|strength coach, personal trainer, lifting "
           "for beginners",
           "Strength training|a first pull-up, lifting at 55, deload week, protein without drama|lifters|fitness "
           "week|", (45, -0.02)),
    _niche("van_life", "outdoor_adventure", (_TRAVEL,),
           "vanlife rvlife homeonwheels roadtrip buslife|van life, full-time on the road, campfire meetups",
           "Van life|a leaking roof, campfire dinner, one pan meals, a broken alternator, parking with a "
           "view|vanlifers|camp meetup|", (35, 0.03)),
    _niche("gardening", "lifestyle", ("Healthy Lifestyle", _FOOD),
           "gardening growyourown cottagegarden homestead plants|gardener, cottage garden, grow your own, garden "
           "tours",
           "Gardening|tomatoes at last, a slug war, seed swaps, a border in June, compost truths|gardeners|garden "
           "tour|", (35, 0.07)),
    _niche("fashion", "lifestyle", ("Clothes, Shoes, Handbags & Accessories", "Shopping & Retail", "Luxury Goods",
           "Jewellery & Watches"),
           "fashion ootd style thrifted slowfashion|slow fashion, thrift finds, style notes",
           "Fashion|five ways to wear a coat, thrifting in the rain, a capsule that failed, "
           "mending|thrifters|shopping trip|", (60, -0.10)),
    _niche("beauty", "lifestyle", ("Beauty & Cosmetics",),
           "beauty skincare makeup grwm cleanbeauty|skincare notes, makeup artist, clean beauty",
           "Beauty|a routine in four steps, red lips, sunscreen again, products I finished|beautyfans|spa "
           "weekend|", (55, -0.12)),
    _niche("home_decor", "lifestyle", (_ART, "Shopping & Retail"),
           "homedecor interiordesign renovation diy vintagehome|renovating an old house, vintage finds, interior "
           "notes",
           "Home|a kitchen in green, stripping paint, a door from the dump, one room challenge|homemakers|antiques "
           "market tour|", (40, -0.08)),
    _niche("comedy", "entertainment", ("Television & Film", "Music"),
           "comedy funny reels standup skits|comedian, sketches about work, stand up dates",
           "Comedy|my mother on the phone, open mic disasters, office types, a heckler|comedyfans|comedy "
           "cruise|", (45, -0.12)),
    _niche("music", "entertainment", ("Music",),
           "music singersongwriter livemusic guitar newmusic|singer songwriter, house concerts, new record out",
           "Music|a song in one take, rehearsal room, broken string on stage, writing on the "
           "bus|musicians|songwriting camp|", (40, -0.05)),
    _niche("gaming", "entertainment", ("Gaming", "Electronics & Computers"),
           "gaming cozygames streamer boardgames gamer|cozy games, live on weekdays, board game nights",
           "Gaming|a cozy farm run, a speedrun fail, the new expansion, board games for six|gamers|board game "
           "weekend|", (35, -0.10)),
    _niche("dogs", "lifestyle", ("Pets",),
           "dogs dogsofinstagram rescuedog dogtraining puppylove|dog trainer, rescue mum, hikes with dogs",
           "Dogs|a nervous rescue, recall in ten days, muddy paws, an old dog's birthday|doglovers|weekend with "
           "dogs|", (35, -0.03)),
    _niche("golf", "fitness_sport", (_SPORTS,),
           "golf golfswing golflife womensgolf golfcoach|golf coach, golf swing tips, 6 handicap",
           "Golf|fixing a slice, links in the wind, a lucky chip, golf balls lost|golfers|golf "
           "trip|topic_golf", (15, -0.2)),
    _niche("cycling", "outdoor_adventure", (_SPORTS, _FITNESS),
           "cycling roadbike gravel bikepacking mtb|road cyclist, gravel rides, bike rides every week",
           "Cycling|a gravel century, climbing at 9 percent, a flat in the rain, bike fit|cyclists|cycling "
           "week|topic_biking", (15, -0.2)),
    _niche("motorcycles", "outdoor_adventure", (_CARS,),
           "motorcycles bikerlife moto motorcycle caferacer|motorcycle rider, moto garage, two wheels",
           "Motorcycles|a long ride north, carburettor tales, first track day, riding gear|riders|motorcycle "
           "tour|topic_motorcycles", (10, -0.2)),
    _niche("cars", "entertainment", (_CARS,),
           "cars racing carsofinstagram drift trackday|racing driver, track days, car builds",
           "Cars|a lap on board, an engine swap, drift practice, cold start|petrolheads|track "
           "weekend|topic_driving_cars_racing", (12, -0.2)),
    _niche("soccer", "fitness_sport", (_SPORTS,),
           "soccer football footballskills matchday goals|football skills, match day, youth coach",
           "Football|free kicks, a late winner, training drills, away days|footballers|training "
           "camp|topic_competitive_team_sports", (14, -0.2)),
    _niche("skiing", "outdoor_adventure", (_SPORTS,),
           "skiing snowboard powder freeride skilife|ski racer, freeride, snowboard coach",
           "Skiing|first powder, a jump too far, waxing, avalanche school|skiers|ski week|topic_snow_sports", (10,
           -0.2)),
    _niche("surfing", "outdoor_adventure", (_SPORTS,),
           "surfing kitesurf surfer bigwave surflife|pro surfer, kitesurf athlete, contest season",
           "Surfing|a heavy set, contest heat, new fins, wipeouts|surfers|surf camp|topic_athlete_water_sports", (10,
           -0.2)),
    _niche("hunting", "outdoor_adventure", (_SPORTS,),
           "hunting bowhunting huntress deerseason wildgame|bowhunter, hunting season, wild game",
           "Hunting|opening day, a patient morning, field notes, bow tuning|hunters|hunting trip|topic_hunting", (8,
           -0.2)),
    _niche("family_travel", "exploration", (_TRAVEL, _KIDS),
           "familytravel travelwithkids worldschooling momlife familyof5|family of five travelling, travel with "
           "kids, worldschooling",
           "Family travel|toddlers on a plane, a rainy zoo, snacks for a ferry, school on the "
           "road|travelfamilies|family holiday|topic_family_travel", (14, -0.1)),
)  # fmt: skip
BY_KEY: dict[str, Niche] = {niche.key: niche for niche in NICHES}
