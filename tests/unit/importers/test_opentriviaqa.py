import pytest

from trivia_render.errors import BadInputError
from trivia_render.importers import ImportReport, import_questions
from trivia_render.models.parse import correct_index, options_of


def read(text: str | bytes) -> ImportReport:
    data = text if isinstance(text, bytes) else text.encode()
    return import_questions(data, format="opentriviaqa", source="animals.txt")


GOOD = """#Q Which one does not hibernate?
^ Sloth
A Mouse
B Sloth
C Frog
D Snake

#Q All cats are color blind.
^ False
A True
B False
"""


def test_questions_keep_their_order_options_and_right_answer() -> None:
    report = read(GOOD)
    assert report.rejected == ()
    first, second = report.questions
    assert first.question == "Which one does not hibernate?"
    assert options_of(first) == ("Mouse", "Sloth", "Frog", "Snake")
    assert correct_index(first) == 1
    assert options_of(second) == ("True", "False")
    assert correct_index(second) == 1


def test_windows_line_ends_make_no_difference() -> None:
    assert read(GOOD.replace("\n", "\r\n")) == read(GOOD)


def test_texts_may_go_on_over_several_lines() -> None:
    (question,) = read(
        "#Q Which planet is\nthe largest\none?\n^ Jupiter\nA Mars,\nthe red one\nB Jupiter\n"
    ).questions
    assert question.question == "Which planet is the largest one?"
    assert options_of(question) == ("Mars, the red one", "Jupiter")


def test_a_line_of_the_question_that_looks_like_an_option_belongs_to_the_question() -> None:
    (question,) = read("#Q Which is right?\nA or B\n^ No\nA Yes\nA dog says so\nB No\n").questions
    assert question.question == "Which is right? A or B"
    assert options_of(question) == ("Yes A dog says so", "No")


def test_lines_of_different_encodings_are_read_side_by_side() -> None:
    data = "#Q Café or thé?\n^ Thé\nA Café\n".encode() + "B Thé\n".encode("cp1252")
    (question,) = read(data).questions
    assert options_of(question) == ("Café", "Thé")


def test_typographic_quotes_of_windows_1252_are_read() -> None:
    (question,) = read(b"#Q Who said \x93no\x94?\n^ x\nA x\nB y\n").questions
    assert question.question == "Who said “no”?"


def test_a_byte_that_no_encoding_knows_is_rejected_not_dropped() -> None:
    report = read(b"#Q Bad \x81 byte\xff?\n^ x\nA x\nB y\n")
    assert report.questions == ()
    assert "control character" in report.rejected[0].message


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("#Q No answer?\nA x\nB y\n", "names no right answer"),
        ("#Q Wrong answer?\n^ z\nA x\nB y\n", "none of the options"),
        ("#Q One option?\n^ x\nA x\n", "has 1 option"),
        ("#Q No options?\n^ x\n", "has 0 options"),
        ("#Q Twins?\n^ x\nA x\nB X\n", "the same option"),
        ("#Q\n^ x\nA x\nB y\n", "is empty"),
        ("#Q Empty option?\n^ x\nA x\nB\n", "answer_b is empty"),
        ("#Q " + "long " * 500 + "\n^ x\nA x\nB y\n", "characters; at most"),
    ],
)
def test_a_bad_question_is_told_with_its_line_and_the_others_stay(entry: str, message: str) -> None:
    report = read(GOOD + "\n" + entry + "\n" + "#Q Last?\n^ x\nA x\nB y\n")
    assert [question.question for question in report.questions][-1] == "Last?"
    assert len(report.questions) == 3
    (problem,) = report.rejected
    assert problem.path == "animals.txt:13"
    assert message in problem.message


def test_text_before_the_first_question_is_told() -> None:
    report = read("Some title\n\n" + GOOD)
    assert len(report.questions) == 2
    assert [(problem.path, problem.message) for problem in report.rejected] == [
        ("animals.txt:1", "is text outside of a question.")
    ]


def test_a_repeated_question_is_left_out_and_told_once() -> None:
    report = read(GOOD + "\n" + GOOD.upper())
    assert len(report.questions) == 2
    assert [problem.path for problem in report.rejected] == ["animals.txt:13", "animals.txt:20"]
    assert "animals.txt:1." in report.rejected[0].message


def test_the_same_question_with_other_options_is_another_question() -> None:
    one = "#Q Which one flies?\n^ Bat\nA Bat\nB Cat\n"
    assert len(read(one + one.replace("Bat", "Owl")).questions) == 2


def test_nothing_at_all_is_an_error() -> None:
    with pytest.raises(BadInputError, match="is empty"):
        read(" \n")
