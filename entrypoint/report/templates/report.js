"use strict";
// Filter and sort the table of figures. Without this script everything is shown, in the order of the run.
(() => {
  const table = document.getElementById("figures");
  const controls = document.querySelector(".controls");
  if (!table || !controls) return;
  controls.hidden = false;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const cards = Array.from(document.querySelectorAll("[data-endpoint]"));
  const text = document.getElementById("filter");
  const judged = document.getElementById("judged");
  const count = document.getElementById("count");

  const filter = () => {
    const wanted = text.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = row.cells[0].textContent.toLowerCase().includes(wanted);
      row.hidden = !fits || (judged.checked && row.classList.contains("reported"));
      if (!row.hidden) shown += 1;
    }
    for (const card of cards) {
      card.hidden = !card.querySelector("code").textContent.toLowerCase().includes(wanted);
    }
    count.textContent = `${shown} of ${rows.length} figures`;
  };

  const value = (row, column) => {
    const cell = row.cells[column];
    if (!("sort" in cell.dataset)) return cell.textContent.trim().toLowerCase();
    return cell.dataset.sort === "" ? NaN : Number(cell.dataset.sort.replace(/inf$/, "Infinity"));
  };

  const compare = (a, b) => {
    if (typeof a === "string") return a.localeCompare(b);
    // Rows without a figure come last, whichever way is sorted.
    return a - b;
  };

  const sort = (heading) => {
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const column = heading.cellIndex;
    const known = rows.filter((row) => !Number.isNaN(value(row, column)));
    const empty = rows.filter((row) => Number.isNaN(value(row, column)));
    known.sort((a, b) => compare(value(a, column), value(b, column)) * (ascending ? 1 : -1));
    body.append(...known, ...empty);
  };

  for (const button of table.querySelectorAll("thead button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }
  text.addEventListener("input", filter);
  judged.addEventListener("change", filter);
  filter();
})();
