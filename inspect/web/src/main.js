// main.js - opens the heap that the page brings, and shows the place that the address names.
//
// Invariant: all that comes from the heap is put there as text: the page's policy has no way to make
// markup, or a script, of a string.
import { select } from "d3-selection";
import { Heap } from "./heap.js";
import { links, placeOf } from "./links.js";
import * as views from "./views.js";
import { counted, number, size, visible } from "./words.js";

const places = {
    "": views.summary, leaks: views.leaks, leak: views.leak, cycles: views.cycles, cycle: views.cycle, types: views.types,
    type: views.type, map: views.map, sites: views.sites, site: views.site, object: views.object, search: views.search,
};
const tabs = [["", "Summary"], ["leaks", "Leaks"], ["cycles", "Cycles"], ["types", "Types"], ["map", "Map"], ["sites", "Lines"]];
const under = { leak: "leaks", cycle: "cycles", type: "types", site: "sites" };

function title(data) {
    const { name, pid, core } = data.program;
    return `${visible(name || core || "a program")}${pid ? `, process ${pid}` : ""}`;
}

function header(body, heap) {
    const data = heap.data;
    const head = body.append("header");
    const line = head.append("div").attr("class", "line");
    line.append("h1").append("a").attr("href", "#/").text(title(data));
    const form = line.append("form").attr("role", "search");
    form.append("input").attr("type", "search").attr("id", "q").attr("aria-label", "search")
        .attr("placeholder", "type, id, address, value, line   ( / )").attr("autocomplete", "off").attr("spellcheck", "false");
    const from = !data.program.is_core ? "a stopped process"
        : data.program.core ? `the core file ${visible(data.program.core)}` : "a core";
    head.append("p").attr("class", "quiet").text(
        [data.heaps.map(h => visible(h.name)).join(", "),
            `from ${from}${data.program.time ? ` of ${visible(data.program.time)}` : ""}`,
            `written by refheap ${visible(data.written)}`].join(" · "));
    const figures = head.append("ul").attr("class", "figures");
    const put = (value, what, href, bad) => {
        const item = figures.append("li").classed("bad", Boolean(bad)).append("a").attr("href", href);
        item.append("b").text(value);
        item.append("span").text(what);
    };
    put(number(data.totals.objects), data.totals.objects === 1 ? "object" : "objects", "#/types");
    put(size(data.totals.bytes), "in objects", "#/map");
    const known = views.isWhole(heap) ? "" : "known to be ";
    put(number(data.leaks.objects), data.leaks.objects ? `${known}leaked, ${size(data.leaks.bytes)}` : `${known}leaked`, "#/leaks", data.leaks.objects);
    put(number(data.cycles.garbage), `${known}garbage of ${counted(data.cycles.total, "cycle")}`, "#/cycles", data.cycles.garbage);
    warnings(head, data);
    const nav = head.append("nav").attr("aria-label", "parts").append("ul");
    for (const [place, name] of tabs)
        nav.append("li").append("a").attr("href", `#/${place}`).attr("data-place", place).text(name);
}

// Why the answers are not the whole truth, in the engine's own words.
function warnings(head, data) {
    const texts = data.caveats.map(([kind, text]) => `${kind}: ${text}`);
    if (data.shown.left_out)
        texts.push(`This page has ${number(data.shown.objects)} of ${counted(data.totals.objects, "object")}: those that retain most. `
            + `None of the other ${number(data.shown.left_out)} retains more than ${counted(data.shown.left_out_retain_at_most, "byte")}. `
            + "Figures of types, lines, leaks and cycles are of all.");
    if (data.shown.references_left_out)
        texts.push(`${counted(data.shown.references_left_out, "reference")} between them ${data.shown.references_left_out === 1 ? "is" : "are"} not on this page.`);
    if (data.shown.events_cut)
        texts.push(`Of what was recorded, this page has what concerns its objects among the newest ${counted(data.shown.events, "event")}: there are older ones.`);
    if (texts.length) {
        const list = head.append("ul").attr("class", "warnings").attr("aria-label", "what these answers rest on");
        for (const text of texts)
            list.append("li").text(visible(text));
    }
}

function show(main, heap) {
    const [place, ...rest] = placeOf(location.hash);
    main.selectAll("*").remove();
    (Object.hasOwn(places, place) ? places[place] : views.notFound)(main, heap, rest);
    select("nav").selectAll("a").attr("aria-current", function () {
        return this.dataset.place === (under[place] ?? place) ? "page" : null;
    });
    const heading = main.select("h2");
    document.title = `${heading.text()} – ${title(heap.data)}`;
    const input = document.getElementById("q");
    if (place === "search" && document.activeElement === input)
        return;
    input.value = place === "search" ? rest[0] ?? "" : "";
    window.scrollTo(0, 0);
    heading.attr("tabindex", -1).node().focus({ preventScroll: true });
}

function listen(heap, main) {
    const input = document.getElementById("q");
    let timer = 0;
    const go = isDone => {
        clearTimeout(timer);
        const hash = links.search(input.value);
        if (placeOf(location.hash)[0] === "search") {
            if (hash !== location.hash)
                history.replaceState(null, "", hash);
        } else if (input.value) {
            history.pushState(null, "", hash);
        } else {
            return;
        }
        if (isDone)
            input.blur();
        show(main, heap);
    };
    select(input).on("input", () => {
        clearTimeout(timer);
        timer = setTimeout(go, 80, false);
    });
    select("form").on("submit", event => {
        event.preventDefault();
        go(true);
    });
    select(window).on("hashchange", () => show(main, heap)).on("keydown", event => {
        if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && document.activeElement?.tagName !== "INPUT") {
            event.preventDefault();
            input.select();
        }
    });
    let drawing = 0;
    select(window).on("resize", () => {
        clearTimeout(drawing);
        drawing = setTimeout(views.resize, 200, main);
    });
}

async function start() {
    const opening = select("#opening");
    try {
        if (typeof DecompressionStream === "undefined")
            throw new Error("this browser cannot unpack it: take one of 2023 or later");
        const place = document.getElementById("heap");
        const heap = await Heap.open(place.textContent.trim());
        place.remove();
        opening.remove();
        const body = select("body");
        header(body, heap);
        const main = body.append("main").attr("id", "main");
        listen(heap, main);
        show(main, heap);
        setTimeout(() => heap.prepareSearch(), 100); // before the first letter is typed
    } catch (error) {
        opening.text(`The heap cannot be shown: ${error.message}`);
    }
}

start();
