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
  showPicture(true);
  at("ask").disabled = false;
  at("replies").replaceChildren();
  say(file.name);
}

// A browser does not show all that can be asked about (TIFF), and some of what is dropped is no photo.
function showPicture(seen) {
  at("photo").hidden = !seen;
  at("hint").hidden = seen;
  at("hint").textContent = photo.name + " (this browser cannot show it)";
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
  const asked = photo;
  at("ask").disabled = true;
  say("asking ...");
  try {
    const answer = await fetch("ask?question=" + encodeURIComponent(at("question").value), {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: photo,
    });
    const told = await answer.json();
    if (photo !== asked) return;  // another was chosen meanwhile
    if (!answer.ok) throw new Error(told.error);
    at("replies").replaceChildren(...told.replies.map(card));
    say(told.replies[0].question);
  } catch (error) {
    if (photo !== asked) return;
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
at("photo").addEventListener("error", () => showPicture(false));
addEventListener("paste", (event) => take(event.clipboardData.files[0]));
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").className = kind === "dragover" ? "over" : "";
    if (kind !== "drop") return;
    const [file] = event.dataTransfer.files;
    if (file) take(file);
    else say("no file was dropped: save the picture, then drop the file", true);
  });
}
fetch("about").then((answer) => answer.json()).then((about) => {
  at("who").textContent = "Asked: " + about.checkpoints.join(", and beside it ");
  if (about.names) say("Without a question it says which of " + about.names.count + " names it is.");
  at("question").placeholder = about.names ? "a question, or none" : "a question";
  at("question").required = !about.names;
});
