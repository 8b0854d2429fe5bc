// heap.js - the heap that the page brings: unpacked once, and indexed for what people ask.
//
// Invariant: objects are numbered as in the page's data, in address order; a number that the data
// names is checked before it is used, since the data is what a program left behind.

export const STRONG = 0, WEAK = 1, BORROWED = 2, GUESS = 3, PLAIN = 4;
export const NONE = -1;

// Whether a slot keeps alive what it holds.
const owns = ({ kind }) => kind === STRONG || kind === GUESS;

async function unpack(text) {
    const packed = atob(text);
    const bytes = new Uint8Array(packed.length);
    for (let i = 0; i < packed.length; i++)
        bytes[i] = packed.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
}

function object(row) {
    const [id, address, type, bytes, count, retained, dominator, site, state, cause, referrers, value, heap, slots, more, inUse, keptLeftOut] = row;
    return { id, address, type, bytes, count, retained, dominator, site, state, cause, referrers, value, heap, slots, more, inUse, keptLeftOut };
}

// Rows of numbers in one array: those of i are items[start[i] .. start[i + 1]).
function rowsOf(count, pairs) {
    const start = new Uint32Array(count + 2);
    pairs((at, _) => start[at + 2]++);
    for (let i = 2; i < count + 2; i++)
        start[i] += start[i - 1];
    const items = new Uint32Array(start[count + 1]);
    pairs((at, item) => { items[start[at + 1]++] = item; });
    return { start, items };
}

function numbersByRetained(objects) {
    const order = new Uint32Array(objects.length);
    const retained = new Float64Array(objects.length);
    for (let i = 0; i < objects.length; i++) {
        order[i] = i;
        retained[i] = objects[i].retained;
    }
    return order.sort((a, b) => retained[b] - retained[a] || a - b);
}

export class Heap {
    constructor(data) {
        this.data = data;
        this.objects = data.objects.map(object);
        const count = this.objects.length;
        const isNumber = at => Number.isInteger(at) && at >= 0 && at < count;
        this.types = data.types.map(([name, qualified, heap, count, bytes, retained], number) =>
            ({ number, name: qualified || name, short: name, heap, count, bytes, retained, shown: 0 }));
        this.sites = data.sites.map(([file, line, fn, heap, count, bytes, retained], number) =>
            ({ number, file, line, function: fn, heap, count, bytes, retained, shown: 0 }));
        for (const o of this.objects) {
            if (!isNumber(o.dominator))
                o.dominator = NONE;
            for (let s = 2; s < o.slots.length; s += 3)
                if (typeof o.slots[s] !== "string" && !isNumber(o.slots[s]))
                    o.slots[s] = "?";
            o.site = this.sites[o.site] ? o.site : NONE;
            if (this.types[o.type])
                this.types[o.type].shown++;
            if (this.sites[o.site])
                this.sites[o.site].shown++;
        }
        this.byRetained = numbersByRetained(this.objects);
        this.byAddress = new Map(this.objects.map((o, i) => [o.address, i]));
        // What each object alone keeps, largest first; row `count` is what no object alone keeps.
        this.keeps = rowsOf(count + 1, add => {
            for (const i of this.byRetained)
                add(this.objects[i].dominator === NONE ? count : this.objects[i].dominator, i);
        });
        // Of each slot that holds an object: PLAIN * the object that it is in + its kind.
        this.referrers = rowsOf(count, add => {
            this.objects.forEach((o, i) => {
                for (let s = 0; s < o.slots.length; s += 3)
                    if (o.slots[s + 1] < PLAIN && isNumber(o.slots[s + 2]))
                        add(o.slots[s + 2], i * PLAIN + o.slots[s + 1]);
            });
        });
        this.words = new Map(data.words.map(([at, rows, total]) => [at, { rows, total }]));
        this.history = new Map();
        for (const [at, event] of data.history) {
            if (!this.history.has(at))
                this.history.set(at, []);
            this.history.get(at).push(event);
        }
        this.cycleOf = new Map();
        data.cycles.rows.forEach((cycle, number) => {
            cycle.objects = cycle.objects.filter(isNumber);
            for (const at of cycle.objects)
                this.cycleOf.set(at, number);
        });
    }

    static async open(text) {
        return new Heap(await unpack(text));
    }

    // Numbers of what it alone keeps, largest first; of NONE: of what no object alone keeps.
    kept(at) {
        const row = at === NONE ? this.objects.length : at;
        return this.keeps.items.subarray(this.keeps.start[row], this.keeps.start[row + 1]);
    }

    // How many more of these are not on this page.
    keptLeftOut(at) {
        return at === NONE ? this.data.shown.top_left_out : this.objects[at].keptLeftOut;
    }

    // The objects with a slot that holds it, each once.
    holders(at) {
        const edges = this.referrers.items.subarray(this.referrers.start[at], this.referrers.start[at + 1]);
        return [...new Set(edges.map(edge => edge / PLAIN))];
    }

    // Names and kinds of the slots of `from` that hold `at`.
    slotsTo(from, at) {
        const slots = this.objects[from].slots, found = [];
        for (let s = 0; s < slots.length; s += 3)
            if (slots[s + 1] !== PLAIN && slots[s + 2] === at)
                found.push({ name: slots[s], kind: slots[s + 1] });
        return found;
    }

    // Every object of a type, or of a site, largest first.
    where(key, value) {
        return this.byRetained.filter(i => this.objects[i][key] === value);
    }

    prepareSearch() {
        this.texts ??= this.objects.map(o => `${o.id}\n${o.address}\n${o.value ?? ""}`.toLowerCase());
    }

    // The first `limit` objects whose id, address, value or line has the text, largest first.
    search(text, limit) {
        const wanted = text.toLowerCase();
        this.prepareSearch();
        const sites = this.sites.map(s => `${s.file}:${s.line}\n${s.function ?? ""}`.toLowerCase().includes(wanted));
        const types = this.types.map(t => t.name.toLowerCase().includes(wanted));
        const found = [];
        let total = 0;
        for (const i of this.byRetained) {
            const o = this.objects[i];
            if (!this.texts[i].includes(wanted) && !sites[o.site] && !types[o.type])
                continue;
            if (total++ < limit)
                found.push(i);
        }
        return { found, total, sites: this.sites.filter((_, i) => sites[i]), types: this.types.filter((_, i) => types[i]) };
    }

    // The shortest way down from what holds an object from outside: [{at, slot}], the first one
    // held by `word` (null: it is immortal). Null: no way is on this page.
    path(at) {
        const count = this.objects.length;
        const next = new Int32Array(count).fill(-2);
        const queue = new Uint32Array(count);
        let end = 1, best = null;
        queue[0] = at;
        next[at] = -1;
        for (let head = 0; head < end && !(best && best.rank === 0); head++) {
            const i = queue[head];
            const root = this.root(i);
            if (root && (!best || root.rank < best.rank))
                best = { ...root, at: i };
            for (let e = this.referrers.start[i]; e < this.referrers.start[i + 1]; e++) {
                const from = Math.floor(this.referrers.items[e] / PLAIN);
                const kind = this.referrers.items[e] % PLAIN;
                if (next[from] === -2 && owns({ kind })) {
                    next[from] = i;
                    queue[end++] = from;
                }
            }
        }
        if (!best)
            return null;
        const steps = [];
        for (let i = best.at; i !== -1; i = next[i])
            steps.push({ at: i, slot: next[i] === -1 ? null : this.slotsTo(i, next[i]).find(owns).name });
        return { word: best.word, steps };
    }

    // What holds it from outside, best first: a root or variable; a register; any other word.
    root(at) {
        const ranks = { root: 0, global: 0, thread_local: 0, local: 0, register: 1, kernel: 1 };
        let best = null;
        for (const word of this.words.get(at)?.rows ?? []) {
            const rank = ranks[word[1]] ?? 2;
            if (!best || rank < best.rank)
                best = { rank, word: word[0] };
        }
        if (!best && this.objects[at].count === null)
            return { rank: 1, word: null };
        return best;
    }
}
