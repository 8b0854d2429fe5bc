// table.js - tables that sort, filter, and show more rows when asked.
//
// Invariant: no more rows stand in the document than were asked for; so a table of a hundred
// thousand objects is as quick as one of a hundred.
import { number } from "./words.js";

const STEP = 100;
const LONG_WORD = /\S{33}/; // may be broken; a shorter one stays whole, and a narrow window scrolls the table

// columns: [{title, is_number, value(row) for sorting, show(cell, row)}]; rows come in the order in
// which they are shown at first, by `sorted` (a column's place), largest first.
export function table(into, { caption, columns, rows, sorted = -1, step = STEP, empty = "None." }) {
    const box = into.append("div").attr("class", "table");
    if (rows.length === 0) {
        box.append("p").attr("class", "empty").text(empty);
        return;
    }
    const table = box.append("table");
    if (caption)
        table.append("caption").text(caption);
    const heads = table.append("thead").append("tr");
    const body = table.append("tbody");
    const more = box.append("p").attr("class", "more");
    let shown = step, by = sorted, isDown = true, order = rows;

    columns.forEach((column, c) => {
        const head = heads.append("th").attr("scope", "col").classed("number", column.is_number);
        if (!column.value || rows.length === 1) {
            head.text(column.title);
            return;
        }
        head.append("button").attr("type", "button").text(column.title).on("click", () => {
            isDown = by === c ? !isDown : Boolean(column.is_number);
            by = c;
            order = inOrder(rows, column.value, isDown);
            draw();
        });
    });

    function draw() {
        heads.selectAll("th").attr("aria-sort", (_, c) => c !== by ? null : isDown ? "descending" : "ascending");
        body.selectAll("tr").remove();
        add(0);
    }

    function add(from) {
        const end = Math.min(shown, order.length);
        for (let r = from; r < end; r++) {
            const line = body.append("tr");
            for (const column of columns) {
                const cell = line.append("td").classed("number", column.is_number).classed(column.name ?? "text", true);
                column.show(cell, order[r]);
                cell.classed("long", LONG_WORD.test(cell.node().textContent));
            }
        }
        more.selectAll("*").remove();
        if (end === order.length)
            return;
        more.append("button").attr("type", "button").text(`${number(Math.min(STEP, order.length - end))} more`)
            .on("click", () => {
                shown = end + STEP;
                add(end);
                body.node().rows[end].querySelector("a, button")?.focus();
            });
        more.append("span").text(` of ${number(order.length)}`);
    }
    draw();
}

function inOrder(rows, value, isDown) {
    const keys = Array.from(rows, value);
    const places = Uint32Array.from(keys, (_, i) => i);
    const sign = isDown ? -1 : 1;
    const compare = typeof keys.find(key => key !== null && key !== undefined) === "number"
        ? (a, b) => (keys[a] ?? -1) - (keys[b] ?? -1)
        : (a, b) => (keys[a] ?? "") < (keys[b] ?? "") ? -1 : (keys[a] ?? "") > (keys[b] ?? "") ? 1 : 0;
    places.sort((a, b) => sign * compare(a, b) || a - b);
    return Array.from(places, place => rows[place]);
}
