"""Scripts are found in the profile folders and laid over the script of their form."""

import pytest

from tongguan.simulators.script.loading import load_scripts
from tongguan.simulators.script.profile_folders import authorities, script_folders

FORM = """
number_at = ["No"]
keys_at = ["No"]
[numbers]
licence = "{yy}AA{serial:06d}"
[licence]
codes = ["s"]
direction = "import"
uses = 12
[[code]]
code = "10"
text = "stored"
[[code]]
code = "40"
text = "issued"
gives = ["licence"]
[[flow]]
operation = "declare"
steps = [{ code = "10" }, { code = "40" }]
"""


@pytest.fixture
def folder(tmp_path):
    """A type's folder beside the form that it uses."""
    form, own = tmp_path / "mofcom" / "shared", tmp_path / "mofcom" / "XX.one"
    for place in (form, own):
        place.mkdir(parents=True)
    (form / "form.toml").touch()
    (form / "replies.toml").write_text(FORM)
    (own / "profile.toml").write_text('form = "../shared"')
    return own


def test_a_script_is_laid_over_that_of_its_form(tmp_path, folder):
    (folder / "replies.toml").write_text(
        'names_message = false\n[numbers]\nlicence = "{serial:04d}"\n[licence]\ncodes = ["612"]\n'
        '[[code]]\ncode = "40"\ntext = "own words"\n[[code]]\ncode = "55"\ntext = "used"'
    )

    script = load_scripts("mofcom", tmp_path)["XX.one"]

    assert script.names_message is False
    assert script.numbers == {"licence": "{serial:04d}"}
    assert (script.licence.codes, script.licence.uses, script.licence.direction) == (("612",), 12, "import")
    assert [(code.code, code.text) for code in script.codes.values()] == [("10", "stored"), ("40", "own words"), ("55", "used")]
    assert [step.code for step in script.flow("declare").steps] == ["10", "40"]


def test_a_type_without_a_script_of_its_own_has_its_forms(tmp_path, folder):
    scripts = load_scripts("mofcom", tmp_path)

    assert list(scripts) == ["XX.one"]
    assert scripts["XX.one"].licence.codes == ("s",)


def test_a_form_is_no_type(tmp_path, folder):
    assert (authorities(tmp_path), script_folders(tmp_path, "mofcom")) == (["mofcom"], [folder])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[licence]\ncodes = ["s"]\ndirection = "sideways"', "sideways"),
        ('[licence]\ncodes = []\ndirection = "import"', "codes"),
        ('[licence]\nbatch = "several"\ndirection = "import"\ncodes = "choice:none"', "'none'"),
        ('[[code]]\ncode = "10"\ntext = "x"\nrows = "Entry"', "rows goes with row"),
        ('[[code]]\ncode = "10"\ntext = "x"\nrows = "Entry"\nrow = ["No"]', "'No'"),
        ('[licence]\ncolour = "red"', "colour"),
        ('[[query]]\nkind = "a"\nanswer = "rows"\nof = "stars"', "stars"),
        ('[[query]]\nkind = "a"\nanswer = "rows"\nof = "documents"\ncolumns = ["No"]', "'No'"),
    ],
)
def test_a_wrong_section_is_refused_naming_the_file(tmp_path, folder, text, complaint):
    (folder / "replies.toml").write_text(text)

    with pytest.raises(ValueError, match=complaint) as told:
        load_scripts("mofcom", tmp_path)

    assert str(folder / "replies.toml") in str(told.value)
