"""`privacy`, `leads correct` and `suppress lift` as a person types them, in a home with its sandbox."""

import json

import pytest

ADDRESS = "nobody.known@site.example"


def test_an_unknown_person_is_exported_erased_and_stays_out(shared, tmp_path):
    out = tmp_path / "export.json"
    answer = shared.run("privacy", "export", ADDRESS, "--by", "Kai", "--out", str(out))
    assert answer.code == 0, answer.err
    assert out.stat().st_mode & 0o777 == 0o600
    document = json.loads(out.read_text(encoding="utf-8"))
    assert (document["leads"], document["crm"]) == ([], {"state": "read", "contacts": []})
    receipt = shared.json("privacy", "erase", ADDRESS.upper(), "--by", "Kai", "--reason", "asked by letter")
    assert (receipt["state"], receipt["kind"], receipt["leads"]) == ("done", "erase", [])
    assert receipt["counts"]["suppressions"] == 1
    assert shared.json("suppress", "add", ADDRESS, "--reason", "asked")["added"] is False
    shown = shared.run("privacy", "erase", ADDRESS, "--by", "Kai", "--reason", "asked by letter")
    assert "stay out from now on" in shown.out
    listed = shared.run("privacy", "requests", "--json")
    assert [each["kind"] for each in listed.json] == ["erase", "erase", "export"]
    assert "nobody.known" not in (listed.out + shown.out + json.dumps(receipt))
    assert "no data about you" in shared.run("privacy", "origin", ADDRESS).out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("erase", "ada", "--by", "Kai", "--reason", "asked"), "PERSON"),
        (("erase", "ada@site.example", "--by", "Kai", "--reason", "ada@site.example asked"), "reason"),
        (("erase", "ada@site.example", "--by", "Kai", "--reason", ""), "reason"),
        (("export", "ada@site.example", "--by", "Kai", "--out", "/no/such/folder/x.json"), "written"),
        (("erase", "nonsense", "--kind", "email", "--by", "Kai", "--reason", "asked"), "no email"),
        (("notice", "nobody", "--by", "Kai"), "no lead"),
        (("notice", "nobody", "--by", "Kai", "--at", "2999-01-01"), "not come"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_done(shared, arguments, named):
    before = shared.json("privacy", "requests")
    answer = shared.run("privacy", *arguments)
    assert answer.code == 2, answer.err
    assert named in answer.err
    if "export" not in arguments:
        assert shared.json("privacy", "requests") == before


def test_a_suppression_is_lifted_with_a_name_and_a_reason_only(terminal):
    terminal.json("suppress", "add", "ada@site.example", "--reason", "asked")
    lift = ("suppress", "lift", "ADA@site.example", "--by", "Kai")
    assert terminal.run(*lift).code == 2
    assert terminal.run(*lift, "--reason", "ada@site.example wrote again").code == 2
    assert terminal.json(*lift, "--reason", "withdrew the objection")["lifted"] is True
    assert terminal.json(*lift, "--reason", "withdrew the objection")["lifted"] is False
    assert terminal.json("suppress", "list") == []


def test_a_field_is_corrected_by_name_only(terminal):
    answer = terminal.run(
        "leads", "correct", "nobody", "--field", "city", "--value", "Bern", "--by", "Kai", "--reason", "asked"
    )
    assert (answer.code, "no lead" in answer.err) == (2, True)
    assert terminal.json("privacy", "notices") == []
