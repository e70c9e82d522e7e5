"use strict";
// Tables of class "sortable": their headings become buttons, which sort the rows; headings with data-fixed do not.

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?(?=$|[\s%,;[(])/i; // at the start of a cell, as of "0.83 [0.80, 0.86]"
const WORDS = new Intl.Collator(undefined, { numeric: true });

function readCell(cell) {
  const choice = cell.querySelector("select"), text = choice ? choice.value : cell.textContent.trim().replace("\u2212", "-");
  return { text, number: NUMBER.exec(text), empty: text === "" || text === "n/a" };
}

function compareCells(a, b) { // numbers before words
  if (a.number && b.number) return a.number[0] - b.number[0] || WORDS.compare(a.text, b.text);
  return a.number || b.number ? (a.number ? -1 : 1) : WORDS.compare(a.text, b.text);
}

function sortTable(table, heading) { // empty cells stay at the end
  const headings = [...table.tHead.rows[0].cells], place = headings.indexOf(heading), rising = heading.ariaSort !== "ascending";
  for (const each of headings) each.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows].map((row) => [readCell(row.cells[place]), row]);
  rows.sort(([a], [b]) => (a.empty || b.empty ? a.empty - b.empty : (rising ? 1 : -1) * compareCells(a, b)));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const heading of table.tHead.rows[0].cells) {
    if ("fixed" in heading.dataset) continue;
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sortTable(table, heading));
    heading.append(button);
  }
}
