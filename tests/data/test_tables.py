"""Tables as people have them: encodings, separators and words for missing values."""

from pathlib import Path

import pandas as pd
import pytest

from bundle.data import tables
from bundle.data.tables import find_line, find_name, read_header, read_table, show_values

ROWS = (("participant_id", "age", "site"), ("sub-1", "61.5", "Köln"), ("sub-2", "n/a", "Ulm, B"))


def write(folder: Path, text: str, name: str = "t.tsv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def text_of(separator: str) -> str:
    cells = [[f'"{cell}"' if separator in cell else cell for cell in row] for row in ROWS]
    return "".join(separator.join(row) + "\r\n" for row in cells)


def column(table: pd.DataFrame, name: str) -> list:
    return table[name].astype(object).where(table[name].notna(), None).tolist()


@pytest.mark.parametrize("name", ["t.tsv", "t.CSV", "t.txt", "t.tab"])
@pytest.mark.parametrize("separator", ["\t", ";", ","])
def test_the_separator_is_read_off_the_header_whatever_the_ending(tmp_path: Path, separator: str, name: str) -> None:
    table = read_table(write(tmp_path, text_of(separator), name))
    assert list(table) == list(ROWS[0])
    assert [column(table, key) for key in table] == [["sub-1", "sub-2"], ["61.5", None], ["Köln", "Ulm, B"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings_are_read_by_their_mark_and_latin_with_a_warning(tmp_path: Path, encoding: str, caplog) -> None:
    text = text_of("\t") if not encoding.endswith("e") else "\ufeff" + text_of("\t")
    table = read_table(write(tmp_path, text, encoding=encoding))
    assert list(table) == list(ROWS[0]) and table["site"][0] == "Köln"
    assert ("is not UTF-8 and read as cp1252" in caplog.text) == (encoding == "cp1252")


def test_text_beyond_the_first_block_decides_the_encoding_as_well(tmp_path: Path, caplog) -> None:
    rows = "".join(f"sub-{index}\tUlm\n" for index in range(3000))
    table = read_table(write(tmp_path, f"participant_id\tsite\n{rows}sub-x\tKöln\n", encoding="latin-1"))
    assert len(table) == 3001 and table["site"].iloc[-1] == "Köln" and caplog.text.count("is not UTF-8") == 1


@pytest.mark.parametrize(
    "word", ["", " ", "NA", "N/A", "n/a", "#N/A", "nan", "NaN", "NULL", "null", "-", ".", "None", "#DIV/0!", "<NA>", "\xa0"]
)
def test_words_for_missing_values_are_missing(tmp_path: Path, word: str) -> None:
    assert column(read_table(write(tmp_path, f"participant_id\tage\ns1\t{word}\n")), "age") == [None]


def test_words_that_may_be_values_are_kept(tmp_path: Path) -> None:
    words = ["none", "0", "unknown", "Nancy"]
    assert column(read_table(write(tmp_path, "a\tlabel\n" + "".join(f"x\t{word}\n" for word in words))), "label") == words


def test_blanks_empty_rows_and_columns_and_the_line_of_excel_are_taken_off(tmp_path: Path) -> None:
    path = write(tmp_path, 'sep=;\r\n Participant_ID ; split;\r\n s1 ; "train ";\r\n;;\r\n\r\ns2;test\xa0;\r\n', "t.csv")
    table = read_table(path, {"participant_id": ("participant_id",)})
    assert list(table) == ["participant_id", "split"]
    assert table.to_numpy().tolist() == [["s1", "train"], ["s2", "test"]]
    assert [find_line(path, index) for index in range(2)] == [3, 6]
    assert read_header(path) == ["Participant_ID", "split"]


def test_names_in_another_case_are_found_where_that_is_unambiguous(tmp_path: Path, caplog) -> None:
    assert (
        find_name(["Image", "Age"], ["image"]) == "Image"
        and find_name(["Participant ID"], ["participant_id"]) == "Participant ID"
    )
    assert find_name(["AGE", "age"], ["age"]) == "age" and find_name(["AGE", "Age"], ["age"]) is None
    table = read_table(
        write(tmp_path, "AGE\tAge\tPTID\n1\t2\tx\n"), {"age": ("age",), "participant_id": ("id", "ptid")}, others=False
    )
    assert list(table) == ["participant_id"] and "AGE and Age: none of them is taken for age" in caplog.text


def test_a_repeated_column_is_not_used_and_harms_nobody(tmp_path: Path, caplog) -> None:
    table = read_table(write(tmp_path, "id\tage\tage\n1\t2\t3\n"))
    assert list(table) == ["id"] and "has 2 columns called age" in caplog.text


def test_quotation_marks_within_cells_harm_nobody(tmp_path: Path) -> None:
    path = write(tmp_path, 'a\tnote\n1\t5" disk\n2\t"so" called\n3\t"two\nlines"\n 4\t"x" \n')
    assert read_table(path).to_numpy().tolist() == [["1", '5" disk'], ["2", "so called"], ["3", "two\nlines"], ["4", "x"]]
    assert find_line(path, 3) == 6


def test_one_column_may_be_read_under_two_names(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "id,group\n1,AD\n", "t.csv"), {"label": ("group",), "diagnosis": ("group",)}, others=False)
    assert table.to_dict("list") == {"label": ["AD"], "diagnosis": ["AD"]}


def test_short_rows_end_in_missing_values_with_a_warning(tmp_path: Path, caplog) -> None:
    table = read_table(write(tmp_path, "a\tb\tc\n1\t2\t3\n1\t2\n"))
    assert column(table, "c") == ["3", None] and "1 rows with fewer cells than columns (first: line 3)" in caplog.text


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"a,b\n1,2,3\n", "t.csv", "has 3 cells in line 2, but 2 columns"),
        (b"a,b\n", "t.csv", "t.csv has no rows: accepted are a header"),
        (b"\n\n", "t.csv", "t.csv is empty"),
        (b"a|b\n1|2\n", "t.tsv", "t.tsv has columns separated by '.': accepted are tabs, semicolons and commas"),
        (b'a,b\n3,4\n"1,2\n', "t.csv", "has a quotation mark in line 3 that is not closed"),
        (b'a,b\n"1,2\n3,4\n5," 6"\n7,8\n', "t.csv", "has a quotation mark in line 2 that is not closed"),
        (b"PK\x03\x04\x00\x00a\x00,", "t.csv", "bytes that are no text.: accepted are files of text, such as CSV in UTF-8"),
        (b"a,b\n1,2\n", "t.xlsx", "is no table: accepted are files ending in .tsv, .csv, .txt, .tab"),
        (b"\xff\xfea\x00,\x00\xd8", "t.csv", "cannot be read as utf-16"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(tmp_path: Path, content: bytes, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_table(tmp_path / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_long_text_in_an_unused_column_harms_nobody(tmp_path: Path) -> None:
    path = write(tmp_path, "participant_id\tnote\nsub-1\t" + "x" * 200_000 + "\nsub-2\tshort\n")
    assert read_table(path, {"participant_id": ["participant_id"]}, others=False)["participant_id"].tolist() == ["sub-1", "sub-2"]
    assert read_table(path)["note"].str.len().tolist() == [200_000, 5]


def test_a_cell_without_end_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "\na\tb\n1\t2\n3\t" + "x" * 1001 + "\n")
    with monkeypatch.context() as patch:
        patch.setattr(tables, "MAX_CELL", 1000)
        with pytest.raises(ValueError, match=r"is no table \(it has a cell of more than 1,000 letters in line 4\): accepted"):
            read_table(path)
    assert len(read_table(path)) == 2


def test_a_link_to_a_table_that_is_not_there_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError, match="t.tsv is a link to a file that is not there"):
        read_table(tmp_path / "t.tsv")


def test_values_are_shown_with_their_counts_the_most_frequent_first() -> None:
    assert show_values(pd.Series(["b", "c", "a", "c"])) == "c (2), a (1), b (1)"
    assert show_values(pd.Series([f"v{index:02d}" for index in range(15)])).endswith("v11 (1) and 3 more")
