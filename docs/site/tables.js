// Tells each cell of a table with three or more columns its heading: site.css shows rows as lists on a phone.
"use strict";
for (const table of document.querySelectorAll(".content table")) {
    const headings = [...table.querySelectorAll("thead th")].map(heading => heading.textContent);
    if (headings.length < 3) continue;
    table.classList.add("wide");
    for (const row of table.querySelectorAll("tbody tr"))
        [...row.cells].forEach((cell, column) => { cell.dataset.heading = headings[column]; });
}
