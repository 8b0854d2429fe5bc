// words.js - numbers and texts as people read them.
//
// Invariant: what comes from the heap is shown through `visible`: a character that would not show
// itself, or would turn the text around it, becomes its code.

const hidden = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff\ud800-\udfff]/gu;

export function visible(text) {
    return String(text).replace(hidden, c => {
        const code = c.codePointAt(0);
        return code === 10 ? "\\n" : code === 9 ? "\\t" : code < 256 ? `\\x${code.toString(16).padStart(2, "0")}`
            : `\\u${code.toString(16).padStart(4, "0")}`;
    });
}

export function number(value) {
    return value === null || value === undefined ? "–" : String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

export function counted(count, one, many = `${one}s`) {
    return `${number(count)} ${count === 1 ? one : many}`;
}

export function size(bytes) {
    const units = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];
    let unit = 0;
    let value = bytes;
    while (value >= 1000 && unit + 1 < units.length) {
        value /= 1000;
        unit++;
    }
    if (unit === 0)
        return counted(bytes, "byte");
    return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function share(part, whole) {
    const percent = whole > 0 ? 100 * part / whole : 0;
    return percent === 0 ? "0 %" : percent < 0.1 ? "< 0.1 %" : `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
}

// "app.c:12 in run()"; with all of the file's path, where that is wanted.
export function place(site, isFull = false) {
    if (!site)
        return "";
    const at = `${isFull ? site.file : site.file.replace(/^.*\//, "")}:${site.line}`;
    return site.function ? `${at} in ${site.function}()` : at;
}

export const causes = {
    cycle: "in a cycle that nothing outside holds, or held by such a one alone",
    lost_reference: "a count of it has no owner: nothing that could give it back remembers it",
    lost_block: "held only by memory of malloc that nothing reaches",
    dependent: "held only by what is leaked itself",
};

export const causeNames = {
    cycle: "cycle",
    lost_reference: "lost reference",
    lost_block: "lost block",
    dependent: "dependent",
};
