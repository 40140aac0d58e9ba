import pytest

from trivia_render.errors import BadInputError
from trivia_render.importers import ImportReport, import_questions
from trivia_render.models.parse import correct_index, options_of

HEADER = "question,answer_a,answer_b,answer_c,answer_d,correct_answer"
ROW = "Which planet is the largest?,Mars,Jupiter,Venus,Saturn,Jupiter"


def read(text: str | bytes) -> ImportReport:
    data = text if isinstance(text, bytes) else text.encode()
    return import_questions(data, format="csv", source="quiz.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    report = read(f"{HEADER}\n{ROW}\n".replace(",", delimiter))
    assert report.rejected == ()
    (question,) = report.questions
    assert options_of(question) == ("Mars", "Jupiter", "Venus", "Saturn")
    assert correct_index(question) == 1


def test_a_semicolon_table_may_hold_commas_in_its_texts() -> None:
    (question,) = read(
        "question;answer_a;answer_b;correct_answer\nRed, green, blue, or what?;A, b;C, d;C, d\n"
    ).questions
    assert question.question == "Red, green, blue, or what?"


@pytest.mark.parametrize(
    "header",
    [
        "Question,Option A,Option B,Option C,Option D,Correct Answer",
        "QUESTION,A,B,C,D,Correct",
        "Question text, Answer 1,Answer 2,Answer 3,Answer 4,Correct answer(s)",
        '"question","answer_a","answer_b","answer_c","answer_d","answer"',
    ],
)
def test_columns_are_known_by_their_usual_names(header: str) -> None:
    report = read(f"{header}\n{ROW}\n")
    assert report.rejected == ()
    assert correct_index(report.questions[0]) == 1


def test_columns_may_stand_in_any_order_with_optional_ones() -> None:
    header = "category,correct_answer,difficulty,answer_b,answer_a,question,explanation"
    (question,) = read(f"{header}\nSpace,B,Easy,Sun,Moon,Star?,Hot.\n").questions
    assert options_of(question) == ("Moon", "Sun")
    assert correct_index(question) == 1
    assert (question.category, question.difficulty, question.explanation) == ("Space", "easy", "Hot.")


@pytest.mark.parametrize(("correct", "index"), [("Jupiter", 1), ("b", 1), ("3", 2)])
def test_the_right_answer_may_be_text_letter_or_number(correct: str, index: int) -> None:
    (question,) = read(f"{HEADER}\nWhich?,Mars,Jupiter,Venus,Saturn,{correct}\n").questions
    assert correct_index(question) == index


def test_an_option_that_is_a_number_wins_over_the_options_number() -> None:
    (question,) = read(f"{HEADER}\nSmallest prime?,4,3,2,1,2\n").questions
    assert correct_index(question) == 2


def test_without_a_header_the_order_is_question_options_right_answer() -> None:
    report = read("Largest planet?,Mars,Jupiter,Jupiter\nSmallest?,Mercury,Mars,Venus,Pluto,Mercury\n")
    assert report.rejected == ()
    assert [len(options_of(question)) for question in report.questions] == [2, 4]


def test_quoted_texts_keep_line_breaks_quotes_and_delimiters() -> None:
    text = f'{HEADER}\n"Who said ""hi,\nthere""?",Ann,Bob,,,Ann\nNext?,x,y,,,z\n'
    report = read(text)
    assert report.questions[0].question == 'Who said "hi,\nthere"?'
    assert options_of(report.questions[0]) == ("Ann", "Bob")
    # The row after the one that takes two lines is told by its own first line.
    assert [problem.path for problem in report.rejected] == ["quiz.csv:4"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_of_spreadsheets_are_read(encoding: str) -> None:
    (question,) = read(f"{HEADER}\nÇa va Zoë?,é,ü,,,é\n".encode(encoding)).questions
    assert question.question == "Ça va Zoë?"
    assert options_of(question) == ("é", "ü")


def test_empty_lines_and_missing_empty_cells_do_no_harm() -> None:
    text = "question,correct_answer,answer_a,answer_b,answer_c,answer_d\n\n,,,,,\nWhich?,x,x,y\n"
    report = read(text)
    assert (len(report.questions), report.rejected) == (1, ())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("Which?,x,y,z,w,q", "none of the options"),
        ("Which?,x,X,,,x", "the same option"),
        ("Which?,x,,,,x", "has 1 option"),
        ("Which?,x,,y,,x", "answer_b is empty"),
        (",x,y,,,x", "question is empty"),
        ("Which?,x,y,,,", "correct_answer is empty"),
        ("Which, really?,x,y,z,w,x", "has 7 cells, but the header has 6"),
        ('Which?,"x"y,z,,,z', "cannot be read as a row"),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_the_others_stay(row: str, message: str) -> None:
    report = read(f"{HEADER}\n{ROW}\n{row}\nLast?,x,y,,,x\n")
    assert [question.question for question in report.questions] == ["Which planet is the largest?", "Last?"]
    (problem,) = report.rejected
    assert problem.path == "quiz.csv:3"
    assert message in problem.message


def test_a_quote_that_is_never_closed_is_told_with_all_the_lines_it_swallows() -> None:
    report = read(f'{HEADER}\n{ROW}\n"Which?,x,y,,,x\nLost?,x,y,,,x\n')
    assert len(report.questions) == 1
    (problem,) = report.rejected
    assert problem.path == "quiz.csv:3"
    assert "lines 3 to 4" in problem.message


def test_a_column_that_is_not_read_is_told() -> None:
    report = read(f"{HEADER},Time limit\n{ROW},20\n")
    assert len(report.questions) == 1
    assert [problem.path for problem in report.rejected] == ["quiz.csv:1"]
    assert '"Time limit"' in report.rejected[0].message


def test_a_missing_column_is_named() -> None:
    with pytest.raises(BadInputError, match="has no column correct_answer"):
        read("question,answer_a,answer_b\nWhich?,x,y\n")


@pytest.mark.parametrize("text", ["Just a sentence.\nAnd another.\n", "a,b\nc,d\n"])
def test_text_that_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="is no table of questions"):
        read(text)
