/* SPDX-License-Identifier: MIT */
/* Asks this server a few questions, and shows what it answered. */
"use strict";

const shown = ["Content-Type", "Content-Length", "Content-Range", "Content-Encoding", "Location",
               "Cache-Control", "ETag", "Last-Modified", "Vary", "Allow"];

const script = document.currentScript.getAttribute("src");

/* What is asked, in words; the request; the status that is right. */
const probes = [
    ["The page itself", "/", {}, 200],
    ["The same again, with its ETag: nothing is sent twice", "/", {known: true}, 304],
    ["This script: a hash in its name, so it never changes", script, {}, 200],
    ["The first hundred octets of the picture", "jay.svg", {fields: {Range: "bytes=0-99"}}, 206],
    ["Its last octet", "jay.svg", {fields: {Range: "bytes=-1"}}, 206],
    ["Two ranges at once", "jay.svg", {fields: {Range: "bytes=0-9,100-109"}}, 206],
    ["A range behind its end", "jay.svg", {fields: {Range: "bytes=9999999-"}}, 416],
    ["Only the header fields of the style sheet", "style.css", {method: "HEAD"}, 200],
    ["What may be done with it", "style.css", {method: "OPTIONS"}, 204],
    ["A folder without its slash", "how", {}, 200],
    ["A page that is not there", "nowhere", {}, 404],
    ["A hashed name that is not there: not to be kept", "gone.5af1c2d3e4f5.js", {}, 404],
    ["A method that a file does not take", "style.css", {method: "DELETE"}, 405],
];

const etags = new Map();

function element(name, className, ...content)
{
    const made = document.createElement(name);

    if (className)
        made.className = className;
    made.append(...content);
    return made;
}

function describe(path, request)
{
    const fields = Object.entries(request.headers).map(([name, value]) => `, ${name}: ${value}`);

    return `${request.method} ${new URL(path, location.href).pathname}${fields.join("")}`;
}

function show(list, words, asked, answer, expected)
{
    const status = element("span", "status" + (answer.status === expected ? "" : " wrong"),
                           String(answer.status));
    const fields = element("div", "fields");

    if (answer.redirected)
        fields.append(element("div", "", "redirected to ",
                              element("b", "", new URL(answer.url).pathname)));
    for (const name of shown)
        if (answer.headers.has(name))
            fields.append(element("div", "", `${name}: `,
                                  element("b", "", answer.headers.get(name))));
    list.append(element("li", "", status,
                        element("div", "asked", words, element("br"), element("code", "", asked)),
                        fields));
}

async function ask(list, [words, path, {method = "GET", fields = {}, known = false}, expected])
{
    const request = {method, cache: "no-store", headers: {...fields}};

    if (known && etags.has(path))
        request.headers["If-None-Match"] = etags.get(path);
    const answer = await fetch(path, request);
    await answer.arrayBuffer();
    if (answer.headers.has("ETag"))
        etags.set(path, answer.headers.get("ETag"));
    show(list, words, describe(path, request), answer, expected);
}

async function askAll(button)
{
    const list = document.querySelector(".probes");
    const summary = document.querySelector("#summary");
    const started = performance.now();

    button.disabled = true;
    list.replaceChildren();
    try {
        for (const probe of probes)
            await ask(list, probe);
        summary.textContent = `${probes.length} requests in ` +
                              `${Math.round(performance.now() - started)} ms, one after the other.`;
    } catch (error) {
        summary.textContent = `The server did not answer: ${error.message}`;
    }
    button.disabled = false;
}

const button = document.querySelector("button");
button.addEventListener("click", () => askAll(button));
askAll(button);
