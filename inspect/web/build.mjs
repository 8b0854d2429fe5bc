// build.mjs - makes the page's two halves, between which gcexport writes a heap, as a C table.
//
//     node build.mjs NODE_MODULES HALVES.inc
//
// Invariant: the policy names the one script and the one style of the page by their hashes, and
// allows nothing else; so the page cannot load anything, whatever is in the heap.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [modules, output] = process.argv.slice(2).map(path => resolve(path));
const { build } = createRequire(join(modules, "here.js"))("esbuild");

async function bundled(entry) {
    const result = await build({
        entryPoints: [join(here, "src", entry)],
        bundle: true,
        minify: true,
        write: false,
        metafile: true,
        format: "iife",
        charset: "ascii",
        target: ["chrome80", "firefox113", "safari16.4"],
        legalComments: "none",
        nodePaths: [modules],
    });
    return { text: result.outputFiles[0].text.trim(), inputs: Object.keys(result.metafile.inputs) };
}

// What the licences of the packages inside ask for: their notices.
function notices(inputs) {
    const packages = new Set();
    for (const input of inputs) {
        const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
        if (found)
            packages.add(found[1]);
    }
    return [...packages].sort().map(name =>
        `${name}\n\n${readFileSync(join(modules, name, "LICENSE"), "utf8").trim()}`);
}

function hash(text) {
    return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

const script = await bundled("main.js");
const style = await bundled("style.css");
if (/<\/script|<!--/i.test(script.text) || /<\/style/i.test(style.text))
    throw new Error("the bundle would end its own element");
const policy = [
    "default-src 'none'",
    `script-src ${hash(script.text)}`,
    `style-src ${hash(style.text)}`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
].join("; ");
const parts = { POLICY: policy, STYLE: style.text, SCRIPT: script.text };
const comment = `<!--\nThis page contains:\n\n${notices(script.inputs).join("\n\n").replaceAll("--", "- -")}\n-->\n`;
const page = readFileSync(join(here, "page.html"), "utf8")
    .replace(/@(POLICY|STYLE|SCRIPT)@/g, (_, name) => parts[name]) + comment;
const halves = page.split("@HEAP@");
if (halves.length !== 2)
    throw new Error("the page has one place for the heap");

function table(name, text) {
    const rows = [];
    const bytes = Buffer.from(text);
    for (let i = 0; i < bytes.length; i += 24)
        rows.push(`    ${[...bytes.subarray(i, i + 24)].join(",")},`);
    return `static const unsigned char ${name}[] = {\n${rows.join("\n")}\n};\n`;
}
writeFileSync(output, table("page_before", halves[0]) + table("page_after", halves[1]));
