"use strict";
// Sort tables, and filter everything by endpoint. Without this script everything is shown, worst first.
(() => {
  const MOST_CARDS = 6;

  const value = (row, column) => {
    const cell = row.cells[column];
    if (!("value" in cell.dataset)) return cell.textContent.trim().toLowerCase();
    const written = cell.dataset.value;
    return written === "" ? NaN : Number(written.replace(/inf$/, "Infinity"));
  };

  const compare = (a, b) => {
    if (typeof a === "string") return a.localeCompare(b, undefined, { numeric: true });
    return a === b ? 0 : a - b;
  };

  const sort = (table, heading) => {
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const body = table.tBodies[0];
    const keyed = Array.from(body.rows, (row) => [value(row, heading.cellIndex), row]);
    // Rows without a figure come last, whichever way is sorted.
    const known = keyed.filter(([key]) => !Number.isNaN(key));
    const empty = keyed.filter(([key]) => Number.isNaN(key));
    known.sort(([a], [b]) => compare(a, b) * (ascending ? 1 : -1));
    body.append(...[...known, ...empty].map(([, row]) => row));
  };

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    for (const button of table.tHead.querySelectorAll("button")) {
      button.addEventListener("click", () => sort(table, button.closest("th")));
    }
  }

  const controls = document.querySelector(".controls");
  if (!controls) return;
  const text = document.getElementById("filter");
  const count = document.getElementById("count");
  const more = document.getElementById("more");
  const named = Array.from(document.querySelectorAll("[data-endpoint]"), (element) => [
    element,
    element.querySelector("code").textContent.toLowerCase(),
  ]);
  const rows = named.map(([element]) => element).filter((element) => element.dataset.groups);
  const cards = named.map(([element]) => element).filter((element) => element.matches("figure"));
  let everyCard = cards.length <= MOST_CARDS;

  const tellNone = (elements) => {
    const none = elements[0]?.closest("section").querySelector(".none");
    if (none) none.hidden = elements.some((element) => !element.hidden);
  };

  const filter = () => {
    const wanted = text.value.trim().toLowerCase();
    const group = controls.querySelector("[name=show]:checked")?.value;
    for (const [element, name] of named) {
      const groups = element.dataset.groups;
      element.hidden = !name.includes(wanted) || Boolean(groups && !groups.split(" ").includes(group));
    }
    if (!everyCard && !wanted) cards.slice(MOST_CARDS).forEach((card) => (card.hidden = true));
    if (more) {
      more.hidden = everyCard || Boolean(wanted);
      more.textContent = `Show all ${cards.length} endpoints`;
    }
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = `${shown} of ${rows.length} figures`;
    tellNone(rows);
    tellNone(cards);
  };

  controls.hidden = false;
  text.addEventListener("input", filter);
  controls.addEventListener("change", filter);
  more?.addEventListener("click", () => {
    everyCard = true;
    const first = cards[MOST_CARDS];
    filter();
    first.tabIndex = -1;
    first.focus();
  });
  filter();
})();
