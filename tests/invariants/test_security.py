"""What nobody outside may see, reach or steer: invariants I-61 and I-63 to I-71 (spec 21.6)."""

import csv
import io
import json
import logging
import re
import tomllib
import traceback
from dataclasses import fields, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from PIL import Image
from rich.console import Console

from socialanalyzer_dagster import cli
from socialanalyzer_dagster.assets.plan_metadata import counts_table
from socialanalyzer_dagster.commands import batches as batch_commands
from socialanalyzer_dagster.commands.output import json_text, table
from socialanalyzer_dagster.domain.calls import VendorError
from socialanalyzer_dagster.domain.error_texts import HiddenError, readable
from socialanalyzer_dagster.domain.found_text import neutral_words
from socialanalyzer_dagster.domain.link_shapes import LinkKind
from socialanalyzer_dagster.domain.links import accept, classify
from socialanalyzer_dagster.domain.markdown import MOST_CELL_CHARS, cell, plain
from socialanalyzer_dagster.domain.notifications import DeliveryFailed, Message
from socialanalyzer_dagster.domain.outside_text import printable
from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.lead_exports import COLUMNS, as_csv
from socialanalyzer_dagster.pipeline.lead_view import NoSuchLead
from socialanalyzer_dagster.pipeline.logs import configure_logs
from socialanalyzer_dagster.pipeline.plan_view import plan_markdown
from socialanalyzer_dagster.platforms.enrichment_steps_search import bridge_queries, contact_queries
from socialanalyzer_dagster.platforms.facebook_discovery import search_queries as group_queries
from socialanalyzer_dagster.platforms.facebook_filters import FacebookFilters
from socialanalyzer_dagster.platforms.registry import PLATFORMS, platform
from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.vendors.apify_inputs import StartUrl
from socialanalyzer_dagster.vendors.connect import (
    connect_media_store,
    connect_notifier,
    connect_pages,
    connect_vendors,
)
from socialanalyzer_dagster.vendors.images import ImageRefusedError, read_picture
from socialanalyzer_dagster.vendors.media_store import BucketAccess, FolderStore, checked_key, keeper
from socialanalyzer_dagster.vendors.notifier import slack_channel
from tests.domain.injections import DISGUISED, INJECTIONS, MARKUP
from tests.invariants.eavesdropping import (
    SECRETS,
    WIRE_KEY,
    Traces,
    contacts_in,
    only_loopback,
    secrets_in,
)
from tests.platforms.leads import candidate, creators, record_of, work_of
from tests.platforms.runs import onward, run
from tests.vendors.open_internet import always, answer, internet, redirect

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "socialanalyzer_dagster"
POLICY = shipped_policy()
ADDRESS = "mara@private-host.com"
TEXTS = pytest.mark.parametrize("text", INJECTIONS.values(), ids=INJECTIONS)
FOR_CONTACTS = {
    f"table {name}"
    for name in (
        "leads", "contact_candidates", "contact_values", "crm_links", "evidence", "found_items", "step_results",
        "sync_plan_rows", "provider_answers", "vendor_job_pages",
    )
}  # fmt: skip
"""Tables whose purpose is to hold what is known of a creator, or what a vendor answered (spec 18, 19.5)."""


# --- what a run leaves behind ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def town_traces(town) -> Traces:
    """What a batch of every platform said and wrote on its way into the CRM."""
    traces = Traces({"log": "\n".join(dict.fromkeys(town.log)), "summaries": json.dumps(town.views, default=str)})
    traces.add_tables(town.database)
    traces.add_files(town.home, without=("town.db", "media/"))
    return traces


def test_i_61_no_key_is_in_a_log_a_table_or_a_file_of_a_run(town, town_traces):
    assert len(town.log) > 1_000, "every logger was heard"
    assert len(secrets_in(f"{WIRE_KEY} {SECRETS['SMTP_URL']} GET /?api=x")) == 3, "a key would be seen"
    assert town_traces.where(secrets_in) == {}


def test_i_61_no_text_form_of_settings_and_clients_holds_a_key(tmp_path):
    live = {
        **SECRETS, "SOCIALANALYZER_ENV": "live", "DATABASE_URL": "postgresql://user:hush-4f1c@db.example/leads",
        "BDR_ROSTER_PATH": str(tmp_path / "roster.yaml"), "SOCIALANALYZER_HOME": str(tmp_path),
        "R2_BUCKET_NAME": "media", "R2_ENDPOINT_URL": "https://r2.example.com",
    }  # fmt: skip
    settings = Settings.from_environment(live)
    bucket = BucketAccess(endpoint_url="x", access_key_id="x", secret_access_key=SECRETS["R2_SECRET_ACCESS_KEY"])
    vendors = connect_vendors(settings.model_copy(update={"media_store_url": tmp_path.as_uri()}))
    notifier = connect_notifier(settings)
    assert notifier.channels == {"slack", "email", "ops"}
    shown = [
        settings,
        settings.describe(),
        bucket,
        vendors,
        notifier,
        *(getattr(vendors, each.name) for each in fields(vendors)),
    ]
    assert {found for each in shown for form in (repr, str) for found in secrets_in(form(each))} == set()


def test_i_61_no_file_of_the_repository_looks_like_a_key():
    keys = re.compile(
        r"sk-[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|xox[abp]-[\w-]{10,}|gh[pousr]_\w{30,}|pat-(na|eu)1-[\w-]{20,}|"
        r"apify_api_\w{20,}|hooks\.slack\.com/services/T[A-Z0-9]{6,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    )
    folders = [ROOT / name for name in ("socialanalyzer_dagster", "tests", "docs", "deploy", "benchmarks", ".ci")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    files += [path for path in ROOT.iterdir() if path.is_file()]
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in files if path.suffix != ".pyc"}
    assert {str(path): found[0] for path, text in texts.items() if (found := keys.search(text))} == {}


def test_i_68_no_address_or_phone_number_is_outside_of_the_tables_for_contacts(town, town_traces):
    known = {value for contact in town.contacts for name in ("email", "phone") if (value := contact.get(name))}
    assert known, "the batches found people"
    places = town_traces.where(lambda text: contacts_in(text, known) - {*POLICY.emails.blocked_addresses})
    assert set(places) >= {"table contact_values", "table leads"}
    assert {place: found for place, found in places.items() if place not in FOR_CONTACTS} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("to <mara.v+x@private-host.com>,", {"mara.v+x@private-host.com"}),
        ("a@b.com;c@d.org", {"a@b.com", "c@d.org"}),
        ("l" * 70 + "@host.com", {"l" * 64 + "@host.com"}),
        ("x@2026-11-20.log", set()),
        ("@handle.com", set()),
        ("+1 (303) 555-0100", {"+1 (303) 555-0100"}),
    ],
)
def test_i_68_addresses_and_numbers_are_seen_that_nobody_knew(text, found):
    assert contacts_in(text) == found


def test_i_68_partition_keys_name_day_platform_and_search_alone(town):
    for key in town.keys.values():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d\.[a-z]+\.[a-z0-9-]+(\.\d+)?", key)


# --- reaching out ---------------------------------------------------------------------------------------------------


async def test_i_63_private_addresses_are_reached_by_no_url_redirect_or_second_look_up():
    page = answer(b"<p>hello</p>")
    async with internet(always(page)) as world:
        client = world.fetcher()
        for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254", "::ffff:10.0.0.1"):
            world.names["inside.example"] = [[address]]
            with pytest.raises(VendorError, match="address_not_public"):
                await client.read_media("http://inside.example/")
        assert world.dialled == []
        world.names["a.example"] = [["93.184.216.34"], ["127.0.0.1"]]
        with pytest.raises(VendorError, match="content_type_not_allowed"):
            await client.read_media("http://a.example/")
        with pytest.raises(VendorError, match="address_not_public"):
            await client.read_media("http://a.example/")
        assert world.dialled == [("93.184.216.34", 80)]
    for target in ("http://127.0.0.1/", "http://[::1]/", "file:///etc/passwd", "http://inside.example/"):
        async with internet(always(redirect(target))) as world:
            world.names["inside.example"] = [["10.0.0.1"]]
            with pytest.raises(VendorError, match=r"address_not_public|scheme_not_allowed"):
                await world.fetcher().read_media("http://a.example/")
            assert world.dialled == [("93.184.216.34", 80)]


async def test_i_63_media_are_stored_for_their_owner_alone(tmp_path):
    store = tmp_path / "store"
    key = await keeper(FolderStore(store), LeadUid("lead-a"))(b"bytes", "image/png")
    for path in (store, store / key, (store / key).parent):
        assert path.stat().st_mode & 0o077 == 0


def test_i_64_only_pictures_of_four_formats_and_forty_megapixels_are_decoded():
    def encoded(image_format: str, **options) -> bytes:
        target = io.BytesIO()
        Image.new("1" if options else "RGB", options.get("size", (9, 9))).save(target, image_format)
        return target.getvalue()

    for image_format in ("JPEG", "PNG", "WEBP", "GIF"):
        assert read_picture(encoded(image_format)).width == 9
    for refused in (encoded("BMP"), encoded("TIFF"), encoded("PNG", size=(8000, 5001)), b"<svg/>", b"%!PS-Adobe", b""):
        with pytest.raises(ImageRefusedError):
            read_picture(refused)


async def test_i_70_nothing_outside_this_machine_is_reached_whatever_keys_are_there(town, tmp_path):
    assert town.outside == []
    everything = {
        **SECRETS, "DATABASE_URL": f"sqlite:///{tmp_path}/x.db", "SOCIALANALYZER_HOME": str(tmp_path),
        "INSIGHTIQ_API_URL": "https://api.insightiq.ai", "R2_BUCKET_NAME": "media",
        "R2_ENDPOINT_URL": "https://r2.example.com", "HTTPS_PROXY": "http://proxy.example:3128",
    }  # fmt: skip
    settings = Settings.from_environment(everything)
    urls = {name: value for name, value in settings if name.endswith("_url") and isinstance(value, str)}
    assert {name for name, url in urls.items() if urlsplit(url).hostname not in ("127.0.0.1", None, "")} == set()
    assert isinstance(connect_media_store(settings), FolderStore)
    with only_loopback() as attempts:
        with pytest.raises(VendorError, match=r"not_sent|timeout"):
            await connect_pages(settings).read_media("https://www.example.com/a.jpg")
        for host in ("93.184.216.34", "api.openai.com"):
            vendors = connect_vendors(settings.model_copy(update={"apollo_url": f"https://{host}"}))
            with pytest.raises(VendorError, match="host_not_allowed"):
                await vendors.apollo.status().send()
            await vendors.close()
        notifier = connect_notifier(settings)
        assert notifier.channels == {"slack"}, "the sandbox's; mail and further services have to be on this machine"
        with pytest.raises(DeliveryFailed, match="outside_sandbox"):
            slack_channel(SECRETS["SLACK_WEBHOOK_URL"], in_sandbox=True).send(Message(title="t", text="t"))
    assert attempts == []


def test_i_69_nothing_listens_beyond_this_machine_unless_it_is_told_to():
    everywhere = re.compile(r"0\.0\.0\.0|host\s*=\s*[\"'](?:::)?[\"']|-h[\"'\s,]+0")
    files = [
        *PACKAGE.rglob("*.py"),
        ROOT / "Makefile",
        ROOT / "README.md",
        ROOT / ".env.example",
        *(ROOT / "deploy").rglob("*"),
    ]
    listening = {str(path) for path in files if path.is_file() and everywhere.search(path.read_text(encoding="utf-8"))}
    compose = ROOT / "deploy" / "compose" / "compose.yaml"
    assert listening == {str(PACKAGE / "domain" / "public_addresses.py"), str(compose)}, "which refuses that address"
    services = yaml.safe_load(compose.read_text(encoding="utf-8"))["services"].values()
    published = [port for service in services for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published), "containers listen to each other alone"
    assert SandboxConfig().host == "127.0.0.1"


def test_i_69_every_dependency_is_pinned():
    name = re.compile(r"[A-Za-z0-9._-]+")
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[\w.+!-]+", line)] == []
    pinned = {_plain_name(line.partition("==")[0]) for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    wanted = [each for each in (*project["dependencies"], *extras) if not each.startswith(f"{project['name']}[")]
    assert {found[0] for each in wanted if (found := name.match(each)) and _plain_name(found[0]) not in pinned} == set()


def _plain_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_i_71_no_roster_owner_portal_or_workflow_is_in_the_source():
    told = re.compile(
        r"api\.hubapi\.com/automation|app(?:-\w+)?\.hubspot\.com/\w+/\d|hooks\.slack\.com/services|webhooks/v\d/\d"
        r"|\b(?:owner|portal|hub|account|workflow)_?id[\"']?\s*[:=]\s*[\"']?\d{4,}|[\"']\d{7,12}[\"']"
    )
    files = [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".yaml", ".js", ".mako") and path.is_file()]
    ours = [path for path in files if path.relative_to(PACKAGE).parts[0] != "sandbox"]
    found = {
        str(path.relative_to(PACKAGE)): hit[0]
        for path in ours
        if (hit := told.search(path.read_text(encoding="utf-8")))
    }
    assert found == {}
    assert not {"roster", "bdrs", "owners"} & set(POLICY.document())


# --- showing --------------------------------------------------------------------------------------------------------

LIVE_MARKUP = re.compile(r"(?<!\\)(?:\\\\)*[|`<>\[\]*&@~]|(?<!\\)://|www\.")


@TEXTS
def test_i_65_in_markdown_a_text_is_text(text):
    shown = plain(text)
    assert LIVE_MARKUP.search(shown) is None
    assert shown.isprintable()
    assert len(cell(text)) <= 2 * MOST_CELL_CHARS + 1
    assert re.sub(r"\\(.)", r"\1", shown) == " ".join(printable(text).split()), "what is shown is the text"
    row = {"lead_uid": "u", "action": "update", "reason": text, "tier": text, "bdr": text,
           "changes": {"tier": {"old": text, "new": text}}}  # fmt: skip
    for made, columns in ((plan_markdown({"rows": [row], "key": "k"}), 6), (counts_table("BDR", {text: 1}), 2)):
        lines = made.split("\n")
        assert len(lines) == 3
        assert len(re.findall(r"(?<!\\)\|", lines[2])) == columns + 1


@TEXTS
def test_i_65_on_a_terminal_a_text_steers_nothing(text):
    target = io.StringIO()
    console = Console(file=target, force_terminal=True, color_system="truecolor", width=5 * len(text) + 30)
    console.print(table(("lead", f"of {text}"), [(text, text)]))
    heading, row = target.getvalue().splitlines()
    assert re.sub(r"\x1b\[[01]m", "", heading).isprintable(), "bold, and nothing else"
    assert row.isprintable()
    assert printable(text).strip() in row
    printed = json_text({"text": text})
    assert json.loads(printed) == {"text": text}
    assert all(char.isprintable() or char == "\n" for char in printed)


@TEXTS
@pytest.mark.parametrize("form", ["json", "text"])
def test_i_65_in_a_log_a_text_is_one_line(text, form, capsys):
    package = logging.getLogger("socialanalyzer_dagster")
    handlers, level = list(package.handlers), package.level
    configure_logs(Settings.from_environment({"LOG_FORMAT": form}))
    package.propagate = False  # a captured log with lone surrogates cannot be sent between test processes
    try:
        package.error("odd name %s", text)
    finally:
        package.handlers[:], package.propagate = handlers, True
        package.setLevel(level)
    written = capsys.readouterr().err
    assert written.endswith("\n")
    assert written[:-1].isprintable()
    assert form == "text" or json.loads(written)["message"].startswith("odd name ")


@TEXTS
def test_i_65_in_a_spreadsheet_a_text_is_no_formula(text):
    made = "".join(as_csv(iter([dict.fromkeys(COLUMNS, text)])))
    for value in next(csv.DictReader(io.StringIO(made, newline=""))).values():
        for part in re.split(r"[;\t\r\n]", value):
            assert part.startswith("'") or not re.match(r"[\s\ufeff\u200b-\u200f\u2060\"]*[=+\-@＝＋－＠]", part), part
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", value)


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "//", "http://", "ftp://a.com/x",
     "http://127.0.0.1/", "http://[::1]/", "http://2130706433/", "http://localhost/", "http://intranet/feed",
     "http://metadata.google.internal/feed", "http://printer.local/rss", "https://a.com\x1b[2J", "JaVaScRiPt:alert(1)",
     "\x01javascript:alert(1)", "java\nscript:alert(1)", *MARKUP.values(), *DISGUISED.values()],
)  # fmt: skip
def test_i_65_only_an_http_address_of_a_public_site_becomes_a_link(url):
    links = [classify(url, POLICY.hosts), *(accept(kind, url, POLICY.hosts) for kind in LinkKind)]
    assert all(urlsplit(link.url).scheme in ("http", "https") and link.url.isprintable() for link in links if link)
    if url not in {*MARKUP.values(), *DISGUISED.values()}:
        assert not any(links)
        with pytest.raises(ValueError, match="start page"):
            StartUrl(url=url, user_data={})


def test_i_65_every_stored_link_is_an_http_address(town):
    links = [url for lead in town.leads() for url in lead.record.links.values()]
    assert links
    assert {urlsplit(url).scheme for url in links} <= {"http", "https"}


@TEXTS
async def test_i_65_no_text_names_a_file_outside_of_the_store(text, tmp_path):
    try:
        path = (tmp_path / checked_key(f"media/{text}")).resolve()
    except ValueError:
        return
    assert path.is_relative_to(tmp_path / "media")


def test_i_66_an_error_in_a_run_tells_type_and_place_and_nothing_of_its_text():
    """The asset's own way to raise; tests/commands/test_through_dagster.py looks into the instance after such a run."""

    def work() -> None:
        try:
            int(ADDRESS)
        except ValueError as error:
            raise KeyError(f"no lead for {ADDRESS}") from error

    def run_of_an_asset() -> None:
        try:
            work()
        except KeyError as error:
            raise readable(error)  # noqa: B904 - it carries its own causes

    with pytest.raises(HiddenError) as caught:
        run_of_an_asset()
    told = "".join(traceback.format_exception(caught.value))
    assert re.findall(r"HiddenError: (\w+);", told) == ["ValueError", "KeyError"]
    assert "in work" in told, "the traceback stays"
    assert ADDRESS not in told
    ours = NoSuchLead("there is no lead 'x'")
    assert readable(ours) is ours


def test_i_66_an_error_in_a_command_tells_type_and_place_and_nothing_of_its_text(monkeypatch, tmp_path):
    def breaks(*_arguments, **_options):
        raise KeyError(ADDRESS)

    monkeypatch.setenv("SOCIALANALYZER_HOME", str(tmp_path))
    monkeypatch.setattr(batch_commands, "batch_rows", breaks)
    with pytest.raises(Exception, match="KeyError") as caught:
        cli.run(["batch", "list"])
    told = "".join(traceback.format_exception(caught.value))
    assert "breaks" in told
    assert ADDRESS not in told


# --- steering -------------------------------------------------------------------------------------------------------

OPERATORS = re.compile(
    r"[\"'`“”:|()\[\]{}<>*~^\\=&%$#@+!?,;]|\.\.|(?<!\w)-|(?<!\w)(?:OR|AND|NOT)(?!\w)|[\x00-\x1f\x7f-\x9f\u200b-\u200f]"
)


@TEXTS
def test_i_67_a_name_or_keyword_brings_no_operator_into_a_search(text):
    words = neutral_words(text)
    assert OPERATORS.search(words) is None
    assert len(words) <= 120
    queries = (*bridge_queries(words), *contact_queries(words))
    assert [query.replace(words, "") for query in queries] == [*bridge_queries(""), *contact_queries("")]
    harmless = group_queries(FacebookFilters.model_construct(keywords=("x",), visibility="all"))
    found = group_queries(FacebookFilters.model_construct(keywords=(text,), visibility="all"))
    assert [query.count("site:") for query in found] == ([1, 1, 1] if words else [])
    assert [query.replace(words, "x") for query in found] == list(harmless if words else ())


SAMPLE = ("german", "arabic", "end of the data", "an answer in JSON", "a link to follow", "zero width", "nul")


@pytest.mark.parametrize("key", list(PLATFORMS))
async def test_i_67_instructions_in_a_profile_change_no_judgement_and_no_request(key, bench, server):
    base = next(
        one for one in creators(server.state.world, key)
        if one.truth.reject_code is None and not one.truth.is_injecting and one.contact.email
        and one.truth.mailbox == "ok" and one.truth.activity == "active"
    )  # fmt: skip
    mail = candidate("email", str(base.contact.email))

    async def judged(added: str):
        bench.gate.sent.clear()
        bench.gate._answers.clear()
        record = record_of(base, bio=f"{base.bio or ''} {added}", search_snippet=added or None)
        work, chosen, ends = replace(work_of(record, 0, mail), uid=record.uid), platform(key), []
        for process in (chosen.screen, chosen.enrich, chosen.analyze, chosen.score):
            result = (await run(process, [work], bench.context(chosen)))[work.uid]
            score = result.score
            ends.append((result.outcome.result, result.outcome.code, score and (score.lead_score, score.tier)))
            if not result.outcome.goes_on:
                break
            work = onward(work, result)
        return ends, sorted(map(_without_words, bench.gate.sent))

    calm, requests = await judged("")
    assert calm[-1][0] == "passed"
    for name in SAMPLE:
        assert await judged(INJECTIONS[name]) == (calm, requests), name


def _without_words(sent) -> str:
    """What a call asked for, without the texts that a question quotes and the pictures that they are drawn into."""
    request = dict(sent.request)
    if sent.operation == "openai.chat":
        request |= {"messages": len(request["messages"]), "images": len(request["images"])}
        request["instructions"] = sent.request["messages"][0]["content"]
    return json.dumps([sent.operation, sent.step, request], sort_keys=True, default=str)
