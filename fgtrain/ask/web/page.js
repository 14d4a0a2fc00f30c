"use strict";
const at = (id) => document.getElementById(id);
let photo = null;

function element(kind, text, className) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function say(text, isError = false) {
  at("state").textContent = text;
  at("state").className = isError ? "error" : "";
}

function percent(share) {
  return share < 0.005 ? "<1%" : Math.round(100 * share) + "%";
}

function take(file) {
  if (!file) return;
  photo = file;
  if (at("photo").src) URL.revokeObjectURL(at("photo").src);
  at("photo").src = URL.createObjectURL(file);
  at("photo").alt = file.name;
  at("photo").hidden = false;
  at("hint").hidden = true;
  at("ask").disabled = false;
  at("replies").replaceChildren();
  say(file.name);
}

function likeliest(named) {
  const table = element("table");
  for (const [name, level, share] of named.likeliest) {
    const row = table.insertRow();
    row.insertCell().textContent = level === "category" ? name : name + " (" + level + ")";
    const bar = row.appendChild(element("td", undefined, "share")).appendChild(element("span", undefined, "bar"));
    bar.style.width = 100 * share + "%";
    row.appendChild(element("td", percent(share), "number"));
  }
  return table;
}

function card(reply) {
  const made = element("article");
  made.append(element("h2", reply.checkpoint));
  if (!reply.named) {
    made.append(element("p", reply.said || "(it says nothing)", "answer"));
    return made;
  }
  const named = reply.named;
  const head = named.uncertain ? "uncertain" : named.name + " (" + named.level + ", " + percent(named.probability) + ")";
  made.append(element("p", head, "answer"));
  if (named.uncertain) made.append(element("p", named.why, "small"));
  made.append(likeliest(named), element("p", "In its own words: " + (reply.said || "(nothing)"), "small"));
  return made;
}

async function ask() {
  at("ask").disabled = true;
  say("asking ...");
  try {
    const answer = await fetch("ask?question=" + encodeURIComponent(at("question").value), {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: photo,
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
    at("replies").replaceChildren(...told.replies.map(card));
    say(told.replies[0].question);
  } catch (error) {
    at("replies").replaceChildren();
    say(error instanceof TypeError ? "no answer: has the program been ended?" : error.message, true);
  }
  at("ask").disabled = false;
}

at("file").addEventListener("change", () => take(at("file").files[0]));
at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (photo) ask();
});
addEventListener("paste", (event) => take(event.clipboardData.files[0]));
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").className = kind === "dragover" ? "over" : "";
    if (kind === "drop") take(event.dataTransfer.files[0]);
  });
}
fetch("about").then((answer) => answer.json()).then((about) => {
  const names = about.names;
  at("question").placeholder = names
    ? "a question; without one, which of " + names.count + " names it is"
    : "a question";
  at("question").required = !names;
});
