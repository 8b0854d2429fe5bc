// treemap.js - what keeps the memory, as areas: an object is as large as what would go if it went,
// and what it alone keeps lies inside of it.
//
// Invariant: the number of cells is bounded; what is too small for one of its own stands with others
// of its type, and areas in an object that are no cell are its own bytes, or of smaller objects.
import { hierarchy, treemap, treemapSquarify } from "d3-hierarchy";
import { NONE } from "./heap.js";
import { counted, number, share, size, visible } from "./words.js";

const CELLS = 260, CHILDREN = 60, SMALLEST = 1 / 1500, GROUP = 1 / 150, COLOURS = 8, DEPTH = 4;

// The children of an object that are large enough for a cell, then groups of the others by type.
function childrenOf(heap, node, whole) {
    const kept = heap.kept(node.at);
    const cells = [];
    let i = 0;
    for (; i < kept.length && i < CHILDREN && heap.objects[kept[i]].retained >= SMALLEST * whole; i++)
        cells.push({ at: kept[i], bytes: heap.objects[kept[i]].retained });
    const groups = new Map();
    for (; i < kept.length; i++) {
        const o = heap.objects[kept[i]];
        const key = `${o.type} ${Boolean(o.cause)}`;
        const group = groups.get(key) ?? { type: o.type, isLeaked: Boolean(o.cause), count: 0, bytes: 0 };
        group.count++;
        group.bytes += o.retained;
        groups.set(key, group);
    }
    const rest = { count: 0, bytes: 0 };
    for (const group of groups.values()) {
        if (group.bytes >= GROUP * whole) {
            cells.push(group);
        } else {
            rest.count += group.count;
            rest.bytes += group.bytes;
        }
    }
    return rest.bytes >= GROUP * whole ? [...cells, rest] : cells;
}

// Opens the largest cells first, until there are enough.
function grown(heap, at, whole) {
    const top = { at, bytes: whole, depth: 0 };
    const open = [top];
    for (let cells = 0; open.length && cells < CELLS;) {
        let largest = 0;
        for (let i = 1; i < open.length; i++)
            if (open[i].bytes > open[largest].bytes)
                largest = i;
        const node = open.splice(largest, 1)[0];
        node.children = childrenOf(heap, node, whole);
        cells += node.children.length;
        for (const child of node.children) {
            child.depth = node.depth + 1;
            if (child.at !== undefined && child.depth < DEPTH && child.bytes > 8 * SMALLEST * whole)
                open.push(child);
        }
    }
    return top;
}

// Colours go to the types with the largest areas, what lies inside of them not counted.
function coloursOf(heap, nodes) {
    const bytes = new Map();
    for (const node of nodes) {
        const type = node.data.type ?? heap.objects[node.data.at]?.type;
        if (type === undefined || type === null)
            continue;
        const own = (node.children ?? []).reduce((left, child) => left - child.value, node.value);
        bytes.set(type, (bytes.get(type) ?? 0) + own);
    }
    const types = [...bytes.keys()].sort((a, b) => bytes.get(b) - bytes.get(a));
    return new Map(types.slice(0, COLOURS).map((type, i) => [type, i + 1]));
}

function describe(heap, data, whole) {
    if (data.at === undefined) {
        const name = data.type === undefined ? "smaller" : visible(heap.types[data.type]?.name ?? "?");
        return { name: `${name} × ${number(data.count)}`, size: size(data.bytes),
            title: `${counted(data.count, data.isLeaked ? "leaked object" : "object")} of ${data.type === undefined ? "other types" : `type ${name}`}, each too small for an area of its own: ${number(data.bytes)} bytes, ${share(data.bytes, whole)}` };
    }
    const o = heap.objects[data.at];
    // An address says less than what is there.
    const name = o.value && o.id.includes("@") ? `${heap.types[o.type]?.short ?? ""} ${o.value}` : o.id;
    return { name: visible(name), size: size(o.retained),
        title: `${visible(o.id)} retains ${number(o.retained)} bytes, ${share(o.retained, whole)}\n${visible(o.value ?? "")}` };
}

// Draws what `at` keeps (NONE: all) into a box of this width and height.
export function draw(into, heap, at, whole, width, height, links) {
    const tree = grown(heap, at, whole);
    const root = hierarchy(tree, data => data.children);
    root.each(node => { node.value = node.data.bytes; });
    treemap().tile(treemapSquarify).size([width, height]).round(true).paddingInner(1)
        .paddingTop(node => node.depth && node.y1 - node.y0 > 34 && node.x1 - node.x0 > 40 ? 17 : 0)
        .paddingRight(node => node.depth ? 2 : 0).paddingBottom(node => node.depth ? 2 : 0)
        .paddingLeft(node => node.depth ? 2 : 0)(root);
    const colours = coloursOf(heap, root.descendants());
    const map = into.append("div").attr("class", "treemap").style("height", `${height}px`);
    for (const node of root.descendants().slice(1)) {
        const w = node.x1 - node.x0, h = node.y1 - node.y0;
        if (w < 3 || h < 3)
            continue;
        const { name, size: bytes, title } = describe(heap, node.data, whole);
        const o = heap.objects[node.data.at];
        const cell = map.append("a")
            .attr("href", o ? links.object(node.data.at) : links.type(node.data.type))
            .attr("title", title).attr("aria-label", title)
            .attr("class", `cell c${colours.get(o ? o.type : node.data.type) ?? 0}`)
            .classed("group", !o).classed("leaked", o ? Boolean(o.cause) : node.data.isLeaked).classed("inner", Boolean(node.children))
            .style("left", `${node.x0}px`).style("top", `${node.y0}px`).style("width", `${w}px`).style("height", `${h}px`);
        if (w > 34 && h > 15)
            cell.append("span").text(name).append("small").text(` ${bytes}`);
    }
    return colours;
}

export function legend(into, heap, colours) {
    const list = into.append("ul").attr("class", "legend").attr("aria-label", "colours of types");
    for (const [type, colour] of colours) {
        if (!heap.types[type])
            continue;
        const item = list.append("li");
        item.append("i").attr("class", `c${colour}`);
        item.append("span").text(visible(heap.types[type].name));
    }
    const other = list.append("li");
    other.append("i").attr("class", "c0");
    other.append("span").text("other types");
    if (heap.data.leaks.objects) {
        const leaked = list.append("li");
        leaked.append("i").attr("class", "c0 leaked");
        leaked.append("span").text("leaked");
    }
}
