// views.js - what stands at each place of the page.
//
// Invariant: a view writes into the element that it is given, text as text; what it shows of the heap
// is the engine's own answer, and what is left out is said where it is missed.
import { BORROWED, GUESS, NONE, PLAIN, WEAK } from "./heap.js";
import { links } from "./links.js";
import { table } from "./table.js";
import { draw, legend } from "./treemap.js";
import { causeNames, causes, counted, number, place, share, size, visible } from "./words.js";

const TOP = 10;

// ---- pieces ------------------------------------------------------------------------------------

function section(into, title, id) {
    const box = into.append("section").attr("aria-labelledby", id);
    box.append("h2").attr("id", id).text(title);
    return box;
}

function link(into, href, text) {
    return into.append("a").attr("href", href).text(text);
}

function objectLink(into, heap, at) {
    const o = heap.objects[at];
    const a = link(into, links.object(heap, at), visible(o.id)).attr("class", "object");
    if (o.value)
        into.append("span").attr("class", "value").text(` ${visible(o.value)}`);
    if (o.cause)
        into.append("span").attr("class", "badge leaked").attr("title", causes[o.cause] ?? null).text(causeNames[o.cause] ?? visible(o.cause));
    return a;
}

const objectColumn = heap => ({ title: "object", name: "what", value: at => at,
    show: (cell, at) => objectLink(cell, heap, at) });
const typeColumn = heap => ({ title: "type", value: at => heap.types[heap.objects[at].type]?.name,
    show: (cell, at) => typeLink(cell, heap, heap.objects[at].type) });
const figure = (title, value) => ({ title, is_number: true, value, show: (cell, row) => cell.text(number(value(row))) });
const sizeColumn = heap => figure("bytes", at => heap.objects[at].bytes);
const retainedColumn = heap => figure("retained", at => heap.objects[at].retained);
const countColumn = heap => figure("count", at => heap.objects[at].count);

function typeLink(cell, heap, type) {
    if (heap.types[type])
        link(cell, links.type(type), visible(heap.types[type].name));
}

function siteLink(cell, heap, site) {
    if (heap.sites[site])
        link(cell, links.site(site), visible(place(heap.sites[site]))).attr("title", visible(place(heap.sites[site], true)));
}

function objectTable(into, heap, rows, more = {}) {
    table(into, { rows, columns: [objectColumn(heap), typeColumn(heap), countColumn(heap), sizeColumn(heap), retainedColumn(heap)],
        sorted: 4, ...more });
}

// What has this number, which is written as links are; no other text is one.
const numbered = (list, text) => /^(0|[1-9]\d*)$/.test(text ?? "") ? list[Number(text)] : undefined;

// ---- leaks and cycles --------------------------------------------------------------------------

// Is what is not said not so?
export const isWhole = ({ data }) =>
    data.complete && !data.provisional && !data.caveats.length && !data.leaks.undecided;

function verdictOnLeaks(heap) {
    const leaks = heap.data.leaks;
    const found = leaks.objects
        ? `${counted(leaks.objects, "object")}, ${counted(leaks.bytes, "byte")}, leaked.`
        : isWhole(heap) ? "No leak was found." : "No leak was found in what could be read.";
    const undecided = leaks.undecided
        ? ` ${counted(leaks.undecided, "object has", "objects have")} a count whose owner was not found; not everything could be searched, so nothing is called lost.` : "";
    const possible = leaks.possible ? ` ${counted(leaks.possible, "more is", "more are")} possible: see gcleaks.` : "";
    return found + undecided + possible;
}

function leakTable(into, heap, limit) {
    const leaks = heap.data.leaks;
    const siteOf = leak => leak.site ? place(leak.site) : null;
    table(into, {
        rows: leaks.groups.map((leak, number) => ({ ...leak, number })).slice(0, limit),
        columns: [
            { title: "why", value: row => row.cause, show: (cell, row) => {
                link(cell, links.leak(row.number), causeNames[row.cause] ?? visible(row.cause)).attr("title", causes[row.cause] ?? "");
                if (row.in_use)
                    cell.append("span").attr("class", "badge").text("in use all the same");
            } },
            { title: "of type", value: row => row.type, show: (cell, row) => cell.text(visible(row.type)) },
            { title: "made at", value: siteOf, show: (cell, row) => cell.text(row.site ? visible(siteOf(row)) : "not recorded")
                .attr("title", row.site && visible(place(row.site, true))).classed("quiet", !row.site) },
            figure("times", row => row.count), figure("objects", row => row.objects), figure("bytes", row => row.bytes),
            figure("retained", row => row.retained),
            { title: "the largest", name: "what", show: (cell, row) => leakObject(cell, heap, row) },
        ], empty: isWhole(heap) ? "None." : "None that is known.",
    });
}

function leakObject(cell, heap, leak) {
    const at = heap.byAddress.get(leak.largest_address);
    if (at !== undefined)
        objectLink(cell, heap, at);
    else
        cell.text(visible(leak.largest));
}

function cycleTable(into, heap, rows) {
    const kinds = rows.some(row => row.times > 1), { total, rows: shown } = heap.data.cycles;
    table(into, {
        rows,
        columns: [
            { title: "verdict", value: row => row.verdict, show: (cell, row) => {
                link(cell, links.cycle(row.number), visible(row.verdict));
                cell.append("span").attr("class", `badge ${row.verdict === "garbage" ? "leaked" : ""}`)
                    .text(row.verdict === "garbage" ? "nothing outside holds it" : "something holds it");
            } },
            ...kinds ? [figure(shown.length < total ? `times, of the first ${number(shown.length)}` : "times", row => row.times)] : [],
            figure("objects", row => row.total),
            { title: "types", value: row => row.types, show: (cell, row) => cell.text(visible(row.types)) },
            { title: kinds ? "one of them" : "the first of them", name: "what", show: (cell, row) => {
                if (row.objects.length)
                    objectLink(cell, heap, row.objects[0]);
                else
                    cell.text("not on this page");
            } },
            { title: "held by", name: "what", show: (cell, row) => cell.text(heldBriefly(row)) },
        ], empty: isWhole(heap) ? "No cycle." : "No cycle was found in what could be read.",
    });
}

// Its first holders; where there is none, in the engine's words why.
function heldBriefly(cycle) {
    return cycle.held_by.length ? cycle.held_by.slice(0, 2).map(visible).join("; ") : visible(cycle.held ?? "");
}

// The types of its first objects: "Connection, Handler".
function cycleRows(heap) {
    return heap.data.cycles.rows.map((cycle, number) => {
        const types = [...new Set(cycle.objects.map(at => heap.types[heap.objects[at].type]?.name ?? "?"))].sort();
        const more = types.length > 3 ? `, ${types.length - 3} more` : "";
        const others = cycle.total > cycle.objects.length ? ", …" : ""; // of objects that are not here
        return { ...cycle, number, times: 1, types: `${types.slice(0, 3).join(", ")}${more}${others}` };
    });
}

// Cycles that are alike, by the first of them; most often first, garbage before all.
function cycleKinds(rows) {
    const kinds = new Map();
    for (const row of rows) {
        const key = JSON.stringify([row.verdict, row.total, row.types]);
        if (kinds.has(key))
            kinds.get(key).times++;
        else
            kinds.set(key, { ...row });
    }
    const rank = row => row.verdict === "garbage" ? 0 : 1;
    return [...kinds.values()].sort((a, b) => rank(a) - rank(b) || b.times * b.total - a.times * a.total);
}

export function leaks(into, heap) {
    const box = section(into, "Leaks", "leaks");
    box.append("p").text(verdictOnLeaks(heap));
    leakTable(box, heap);
    leftOut(box, heap.data.leaks.groups.length, heap.data.leaks.groups_total, "row", "causes come first, those that retain most before others; then what only they hold");
    const list = box.append("dl").attr("class", "words");
    for (const [cause, words] of Object.entries(causes)) {
        list.append("dt").text(causeNames[cause]);
        list.append("dd").text(words);
    }
}

function leftOut(into, shown, total, one, why, isAtLeast) {
    if (shown < total)
        into.append("p").attr("class", "quiet").text(`${isAtLeast ? "at least " : ""}${counted(total - shown, `more ${one}`)} not on this page: ${why}.`);
    else if (isAtLeast)
        into.append("p").attr("class", "quiet").text(`There may be more ${one}s: not all were looked for.`);
}

export function leak(into, heap, [text]) {
    const row = numbered(heap.data.leaks.groups, text);
    if (!row)
        return notFound(into);
    const box = section(into, `Leak: ${causeNames[row.cause] ?? visible(row.cause)} of ${visible(row.type)}`, "leak");
    box.append("p").text(`${counted(row.count, "time")}, ${counted(row.objects, "object")}, ${counted(row.bytes, "byte")}: ${causes[row.cause] ?? ""}${row.in_use ? "; it is in use all the same" : ""}.`);
    const facts = box.append("dl").attr("class", "facts");
    fact(facts, "made at", cell => cell.text(row.site ? visible(place(row.site, true)) : "not recorded"));
    fact(facts, "the largest", cell => leakObject(cell, heap, row));
    if (row.counts_lost)
        fact(facts, "counts without an owner", cell => cell.text(number(row.counts_lost)));
    stack(box, row.allocated);
    const of = heap.byRetained.filter(i => heap.objects[i].cause === row.cause && heap.types[heap.objects[i].type]?.short === row.type);
    box.append("h3").text(`Leaked objects of this cause and type`);
    objectTable(box, heap, Array.from(of), { empty: "None of them is on this page." });
}

// Where it was allocated, the innermost call first.
function stack(into, allocated) {
    if (!allocated?.stack?.length)
        return;
    into.append("h3").text("The largest was allocated by");
    const list = into.append("ol").attr("class", "stack");
    for (const call of allocated.stack) {
        const at = call.file ? ` at ${call.file}:${call.line}` : call.module ? ` in ${call.module}` : ` at ${call.address}`;
        list.append("li").text(visible(`${call.function ? `${call.function}()` : "?"}${at}`));
    }
}

export function cycles(into, heap) {
    const all = heap.data.cycles, rows = cycleRows(heap), kinds = cycleKinds(rows);
    const box = section(into, "Cycles", "cycles");
    box.append("p").text(verdictOnCycles(heap));
    if (kinds.length < rows.length) {
        cycleTable(box, heap, kinds);
        box.append("h3").text("Each of them");
    }
    cycleTable(box, heap, rows);
    leftOut(box, rows.length, all.total, "cycle", "garbage comes first");
}

function verdictOnCycles(heap) {
    const { total, garbage } = heap.data.cycles;
    const where = heap.data.complete ? "" : " in what could be read";
    return total === 0 ? heap.data.complete ? "No cycle of references." : `No cycle of references was found${where}: whether there is one is undecided.`
        : `${counted(total, "cycle")} of references${where}: ${number(garbage)} garbage, ${number(total - garbage)} held.`;
}

export function cycle(into, heap, [text]) {
    const row = numbered(heap.data.cycles.rows, text);
    if (!row)
        return notFound(into);
    const box = section(into, `Cycle of ${counted(row.total, "object")}: ${visible(row.verdict)}`, "cycle");
    box.append("p").text((row.verdict === "garbage"
        ? "All counts of its objects come from inside: nothing outside holds it."
        : `It is ${visible(row.held)}${row.held_by.length ? ":" : "."}`)
        + (row.guessed ? " That rests on slots that are guesses." : ""));
    if (row.held_by.length) {
        box.append("h3").text("Held by");
        const list = box.append("ul");
        for (const holder of row.held_by)
            list.append("li").text(visible(holder));
        leftOut(box, row.held_by.length, row.held_by_total, "holder", "the first are shown", row.held_by_is_at_least);
    }
    box.append("h3").text("Its objects");
    objectTable(box, heap, row.objects, { sorted: -1 });
    leftOut(box, row.objects.length, row.total, "object", "the first are shown, of those that are here");
}

// ---- types and sites ---------------------------------------------------------------------------

function typeTable(into, heap, rows) {
    const heaps = new Map(heap.data.heaps.map(h => [h.heap, h.name]));
    table(into, { rows, sorted: 3, columns: [
        { title: "type", value: type => type.name, show: (cell, type) => {
            typeLink(cell, heap, type.number);
            if (heaps.size > 1)
                cell.append("span").attr("class", "quiet").text(` in ${visible(heaps.get(type.heap) ?? type.heap)}`);
        } },
        figure("objects", type => type.count), figure("bytes", type => type.bytes), figure("retained", type => type.retained),
        { title: "share", is_number: true, show: (cell, type) => bar(cell, type.retained ?? type.bytes, heap.data.totals.bytes) },
    ] });
}

function bar(cell, part, whole) {
    cell.append("span").text(share(part, whole));
    cell.append("i").attr("class", "bar").append("i").style("width", `${Math.min(100, whole ? 100 * part / whole : 0)}%`);
}

export function types(into, heap, words) {
    const box = section(into, "Types", "types");
    box.append("p").attr("class", "quiet").text("Retained are the bytes that would go if all objects of the type went: their own, and of what they alone keep.");
    const field = box.append("p").attr("class", "filter");
    field.append("label").attr("for", "filter").text("Only types with ");
    const list = box.append("div");
    const input = field.append("input").attr("id", "filter").attr("type", "search").attr("autocomplete", "off").attr("spellcheck", "false");
    const show = () => {
        const wanted = input.property("value").toLowerCase();
        list.selectAll("*").remove();
        typeTable(list, heap, heap.types.filter(type => type.name.toLowerCase().includes(wanted)).sort((a, b) => (b.retained ?? 0) - (a.retained ?? 0)));
    };
    input.on("input", show);
    show();
}

function shownOf(into, heap, what) {
    if (what.shown < what.count)
        into.append("p").attr("class", "quiet").text(
            `${number(what.shown)} of them are on this page: those that retain most.`);
}

export function type(into, heap, [text]) {
    const type = numbered(heap.types, text);
    if (!type)
        return notFound(into);
    const box = section(into, `Type ${visible(type.name)}`, "type");
    box.append("p").text(`${counted(type.count, "object")}, ${counted(type.bytes, "byte")}; they retain ${number(type.retained)}, ${share(type.retained, heap.data.totals.bytes)} of all.`);
    shownOf(box, heap, type);
    table(box, { rows: Array.from(heap.where("type", type.number)), sorted: 3,
        columns: [objectColumn(heap), countColumn(heap), sizeColumn(heap), retainedColumn(heap)], empty: "None of them is on this page." });
}

export function sites(into, heap) {
    const box = section(into, "Lines that made objects", "sites");
    const known = heap.sites.reduce((sum, site) => sum + site.count, 0);
    if (heap.sites.length)
        box.append("p").text(`Of ${number(known)} of ${counted(heap.data.totals.objects, "object")} it is known which line made them.`);
    table(box, { rows: heap.sites.slice().sort((a, b) => (b.retained ?? 0) - (a.retained ?? 0)), sorted: 3, columns: [
        { title: "line", value: site => place(site), show: (cell, site) => siteLink(cell, heap, site.number) },
        figure("objects", site => site.count), figure("bytes", site => site.bytes), figure("retained", site => site.retained),
    ], empty: "Of no object is it known which line made it: the program did not record that." });
}

export function site(into, heap, [text]) {
    const site = numbered(heap.sites, text);
    if (!site)
        return notFound(into);
    const box = section(into, `Made at ${visible(place(site))}`, "site");
    box.append("p").attr("class", "quiet").text(visible(site.file));
    box.append("p").text(`${counted(site.count, "object")}, ${counted(site.bytes, "byte")}.`);
    shownOf(box, heap, site);
    objectTable(box, heap, Array.from(heap.where("site", site.number)), { empty: "None of them is on this page." });
}

// ---- an object ---------------------------------------------------------------------------------

function fact(list, name, show) {
    list.append("dt").text(name);
    show(list.append("dd"));
}

const kinds = { [WEAK]: "weak", [BORROWED]: "borrowed", [GUESS]: "conservative" };

export function object(into, heap, [address]) {
    const at = heap.byAddress.get(address);
    if (at === undefined)
        return notFound(into, heap.data.shown.left_out ? " It may be one of those that are not on this page." : "");
    const o = heap.objects[at];
    const box = section(into, visible(o.id), "object");
    if (o.value)
        box.append("p").attr("class", "value").text(visible(o.value));
    const facts = box.append("dl").attr("class", "facts");
    fact(facts, "type", cell => typeLink(cell, heap, o.type));
    fact(facts, "address", cell => cell.text(visible(o.address)));
    fact(facts, "its own bytes", cell => cell.text(number(o.bytes)));
    fact(facts, "retains", cell => {
        cell.text(`${counted(o.retained, "byte")}, ${share(o.retained, heap.data.totals.bytes)} of all `);
        if (heap.kept(at).length)
            link(cell, links.map(heap, at), "as a map");
    });
    fact(facts, "count", cell => cell.text(o.count === null ? "none: it is immortal" : number(o.count)));
    if (o.state !== "live")
        fact(facts, "state", cell => cell.text(visible(o.state)));
    if (heap.sites[o.site])
        fact(facts, "made at", cell => siteLink(cell, heap, o.site));
    if (heap.data.heaps.length > 1)
        fact(facts, "heap", cell => cell.text(visible(heap.data.heaps.find(h => h.heap === o.heap)?.name ?? o.heap)));
    const cycle = heap.cycleOf.get(at);
    if (cycle !== undefined)
        fact(facts, "in a cycle", cell => link(cell, links.cycle(cycle), `of ${counted(heap.data.cycles.rows[cycle].total, "object")}, ${visible(heap.data.cycles.rows[cycle].verdict)}`));
    if (o.dominator !== NONE)
        fact(facts, "kept alone by", cell => objectLink(cell, heap, o.dominator));
    alive(box, heap, at);
    heldBy(box, heap, at);
    holds(box, heap, at);
    if (heap.kept(at).length || heap.keptLeftOut(at)) {
        box.append("h3").text(`It alone keeps (${number(heap.kept(at).length + heap.keptLeftOut(at))})`);
        keptTable(box, heap, at, TOP);
    }
    past(box, heap, at);
}

function alive(into, heap, at) {
    const o = heap.objects[at];
    into.append("h3").text(o.cause ? "Why it is leaked" : "Why it is alive");
    if (o.cause) {
        into.append("p").text(`It is leaked (${causeNames[o.cause] ?? visible(o.cause)}): ${causes[o.cause] ?? "?"}${o.inUse ? `; ${visible(o.inUse)}` : ""}.`);
        if (!o.inUse)
            return;
        into.append("h3").text("Why it is in use");
    }
    const path = heap.path(at);
    if (!path) {
        into.append("p").text("No way from a root to it is on this page.");
        return;
    }
    const list = into.append("ol").attr("class", "path").attr("aria-label", "the way from a root");
    list.append("li").attr("class", "root").text(path.word === null ? "it is immortal:" : visible(path.word));
    for (const step of path.steps) {
        const item = list.append("li");
        objectLink(item, heap, step.at);
        if (step.slot !== null)
            item.append("code").text(` ${visible(step.slot)}`);
    }
}

function heldBy(into, heap, at) {
    const o = heap.objects[at];
    const words = heap.words.get(at) ?? { rows: [], total: 0 };
    const rows = words.rows.map(word => ({ word })).concat(
        heap.holders(at).flatMap(from => heap.slotsTo(from, at).map(slot => ({ from, slot }))));
    const fields = rows.filter(row => row.slot && row.slot.kind !== WEAK && row.slot.kind !== BORROWED).length;
    into.append("h3").text(`Held by (${number(rows.length)})`);
    table(into, { rows, columns: [
        { title: "holder", name: "what", show: (cell, row) => row.word ? cell.text(visible(row.word[0])) : objectLink(cell, heap, row.from) },
        { title: "slot", show: (cell, row) => row.slot && cell.append("code").text(visible(row.slot.name)) },
        { title: "strength", show: (cell, row) => cell.text(row.word ? row.word[2] === "conservative" ? "conservative: it may be a leftover" : visible(row.word[2])
            : kinds[row.slot.kind] ?? "strong").classed("quiet", true) },
        figure("retained", row => row.word ? null : heap.objects[row.from].retained),
    ], step: 20, empty: "Nothing on this page." });
    leftOut(into, words.rows.length, words.total ?? 0, "word of memory", "the likeliest owners are shown");
    leftOut(into, fields, o.referrers, "reference", "from objects that are not on it, or that are dying");
}

function holds(into, heap, at) {
    const o = heap.objects[at];
    const rows = [];
    for (let s = 0; s < o.slots.length; s += 3)
        rows.push({ name: o.slots[s], kind: o.slots[s + 1], value: o.slots[s + 2] });
    into.append("h3").text(o.more === null ? "Holds" : `Holds (${number(rows.length + o.more)})`);
    table(into, { rows, columns: [
        { title: "slot", show: (cell, row) => cell.append("code").text(visible(row.name)) },
        { title: "what", name: "what", show: (cell, row) => typeof row.value === "number" && heap.objects[row.value]
            ? objectLink(cell, heap, row.value) : cell.text(visible(row.value)) },
        { title: "strength", show: (cell, row) => cell.text(row.kind === PLAIN ? "" : kinds[row.kind] ?? "strong").classed("quiet", true) },
        figure("retained", row => typeof row.value === "number" ? heap.objects[row.value]?.retained : null),
    ], step: 20, empty: o.more === null ? "It could not be read." : "It has no slots that hold something." });
    leftOut(into, rows.length, rows.length + (o.more ?? 0), "slot", "what retains most is");
}

// What it alone keeps, and how many of these are not on the page; what those keep in turn is in no row.
function keptTable(into, heap, at, step) {
    objectTable(into, heap, heap.kept(at), { step, empty: heap.keptLeftOut(at) ? "None of them is on this page." : "None." });
    leftOut(into, 0, heap.keptLeftOut(at), "object", "those that retain most are");
}

function past(into, heap, at) {
    const events = heap.history.get(at);
    if (!events)
        return;
    into.append("h3").text("What was recorded of it, the newest first");
    if (heap.data.shown.events_cut)
        into.append("p").text("Older events are not on this page.");
    const when = row => row.time ? row.time_to && row.time_to !== row.time ? `${row.time} to ${row.time_to}` : row.time : "";
    const where = ({ place: at }) => !at ? "" : at.function ? `${at.function}()${at.file ? ` at ${at.file}:${at.line}` : ""}` : at.module ?? at.address;
    table(into, { rows: events, columns: [
        figure("event", row => row.event),
        { title: "what", show: (cell, row) => cell.text(visible(row.kind)) },
        { title: "when", show: (cell, row) => cell.text(visible(when(row))) },
        { title: "thread", show: (cell, row) => cell.text(visible(row.thread ?? "")) },
        { title: "where", show: (cell, row) => cell.text(visible(where(row))) },
    ], step: 20 });
}

// ---- map, search, summary ----------------------------------------------------------------------

export function map(into, heap, [address]) {
    const at = address ? heap.byAddress.get(address) : NONE;
    if (at === undefined)
        return notFound(into);
    const o = heap.objects[at];
    const whole = o ? o.retained : heap.data.totals.bytes;
    const box = section(into, o ? `What ${visible(o.id)} alone keeps` : "What keeps the memory", "map");
    const trail = box.append("p").attr("class", "trail");
    if (o) {
        link(trail, links.map(heap, NONE), "everything");
        const above = [];
        for (let up = o.dominator; up !== NONE && above.length < 100; up = heap.objects[up].dominator)
            above.unshift(up);
        for (const up of above) {
            trail.append("span").text(" › ");
            link(trail, links.map(heap, up), visible(heap.objects[up].id));
        }
        trail.append("span").text(` › ${visible(o.id)}, ${size(whole)} `);
        link(trail, links.object(heap, at), "the object itself");
    } else {
        trail.text(`${size(whole)}. Each area is as large as what would go if the object went; what it alone keeps lies inside of it. Click to go into one.`);
    }
    drawMap(box, heap, at, whole, () => Math.max(320, Math.min(620, window.innerHeight - 260)), true);
    box.append("h3").text("The same as a list");
    keptTable(box, heap, at, 20);
}

function drawMap(into, heap, at, whole, height, zooms) {
    const box = into.append("div").attr("class", "areas");
    const put = () => {
        const width = Math.max(280, into.node().clientWidth);
        box.selectAll("*").remove();
        const colours = draw(box, heap, at, whole, width, height(),
            { object: i => zooms && heap.kept(i).length ? links.map(heap, i) : links.object(heap, i), type: links.type });
        legend(box, heap, colours);
    };
    box.property("draw", () => put);
    put();
}

// Draws anew what is as wide as the window, and nothing else: what was opened, typed and scrolled stays. So does the area
// that has the focus.
export function resize(main) {
    main.selectAll(".areas").each(function () {
        const href = this.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        this.draw();
        if (href !== null)
            [...this.querySelectorAll("a")].find(a => a.getAttribute("href") === href)?.focus({ preventScroll: true });
    });
}

export function search(into, heap, [text]) {
    const limit = 1000;
    const box = section(into, "Search", "search");
    if (!text) {
        box.append("p").text("A type, an id, an address, a part of a value, or a line that made objects.");
        return;
    }
    const { found, total, types, sites } = heap.search(text, limit);
    box.append("p").text(`${counted(total, "object")} with “${visible(text)}” in id, type, address, value or line.`)
        .append("span").text(heap.data.shown.left_out ? " Objects that are not on this page are not searched." : "");
    for (const [title, rows, show] of [["Types", types, (cell, type) => typeLink(cell, heap, type.number)],
        ["Lines", sites, (cell, site) => siteLink(cell, heap, site.number)]]) {
        if (!rows.length)
            continue;
        table(box, { rows, step: 5, columns: [{ title, show }, figure("objects", row => row.count), figure("retained", row => row.retained)] });
    }
    objectTable(box, heap, found, { step: 50, empty: "No object." });
    leftOut(box, found.length, total, "object", "those that retain most come first");
}

export function summary(into, heap) {
    const data = heap.data;
    const verdict = section(into, "Verdict", "verdict");
    verdict.append("p").attr("class", `verdict ${data.leaks.objects ? "bad" : data.leaks.undecided || !isWhole(heap) ? "" : "good"}`).text(verdictOnLeaks(heap));
    if (data.leaks.groups.length) {
        leakTable(verdict, heap, 5);
        if (data.leaks.groups.length > 5)
            link(verdict.append("p"), "#/leaks", `All ${number(data.leaks.groups_total)} rows`);
    }
    verdict.append("p").text(verdictOnCycles(heap));
    if (data.cycles.garbage) {
        cycleTable(verdict, heap, cycleKinds(cycleRows(heap)).filter(row => row.verdict === "garbage").slice(0, 3));
        link(verdict.append("p"), "#/cycles", "All cycles");
    }
    const memory = section(into, "What keeps the memory", "memory");
    drawMap(memory, heap, NONE, data.totals.bytes, () => 340, true);
    const largest = section(into, "Objects that retain most", "largest");
    objectTable(largest, heap, heap.byRetained.subarray(0, TOP));
    const all = section(into, "Types that retain most", "bytype");
    typeTable(all, heap, heap.types.slice().sort((a, b) => (b.retained ?? 0) - (a.retained ?? 0)).slice(0, TOP));
    if (heap.types.length > TOP)
        link(all.append("p"), "#/types", `All ${number(heap.types.length)} types`);
}

export function notFound(into, why = "") {
    section(into, "Not here", "nothing").append("p").text(`There is no such thing on this page.${why}`);
}
