// The wall and the car: each button says a line of the control port, and what is true is asked for
// every second. No data become HTML: everything is put in as text.
"use strict";

const $ = (id) => document.getElementById(id);
const POLL_ms = 1000, SAID = 50;
const sections = [];
let busy = false;

// A line out of a button's pattern: {name} is what is typed in its form, {name|-} that, or -, {C}
// the connector. A word of which nothing was typed falls away. {=name} are words of their own.
function line(pattern, form) {
  const value = (name) => name === "C" ? form.dataset.connector : form.elements[name].value.trim();
  if (/\{=\w+\}/.test(pattern)) return pattern.replace(/\{=(\w+)\}/, (all, name) => value(name));
  return pattern.split(" ").map((word) => {
    const [all, name, otherwise] = /\{(\w+)\|?([^}]*)\}/.exec(word) || [];
    if (!all) return word;
    const text = value(name) || otherwise;
    return text ? quoted(word.replace(all, () => text)) : "";
  }).filter((word) => word).join(" ");
}

const quoted = (word) => /^[\w.:=+-]+$/.test(word) ? word : "'" + word.replaceAll("'", "'\"'\"'") + "'";

function element(kind, text) {
  const e = document.createElement(kind);
  e.textContent = text;
  return e;
}

async function ask(path, options) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(15000), ...options });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

async function say(words) {
  let answer;
  try {
    answer = await ask("/say", { method: "POST", body: words });
  } catch (e) {
    answer = { error: e.message };
  }
  const text = answer.error || (answer.ok ? answer.note || "ok" : JSON.stringify(answer));
  const one = element("li", words + ": " + text);
  if (answer.error) one.className = "refused";
  $("said").prepend(one);
  while ($("said").children.length > SAID) $("said").lastChild.remove();
  await poll();
}

document.addEventListener("submit", (e) => {
  e.preventDefault();
  const { say: pattern, sure } = e.submitter.dataset;
  if (!sure || confirm(sure)) say(line(pattern, e.target));
});

function section(id, about) {
  const one = $("connector").content.firstElementChild.cloneNode(true);
  one.querySelector("h2").textContent = "Connector " + id;
  for (const form of one.querySelectorAll("form")) {
    form.dataset.connector = id;
    form.setAttribute("aria-label", form.dataset.name + ", connector " + id);
  }
  one.querySelector(".socket").hidden = !about.socket[id - 1];
  for (const button of one.querySelectorAll(".button")) button.hidden = !about.button[id - 1];
  for (const [of, names] of Object.entries(about.faults)) {
    const group = document.createElement("optgroup");
    group.label = "of " + of;
    for (const name of names) {
      const unseen = about.unseen[id - 1].includes(name) ? " (this board does not see it)" : "";
      const option = element("option", name + unseen);
      option.value = name;
      group.append(option);
    }
    one.querySelector("select").append(group);
  }
  $("connectors").append(one);
  return sections[id] = one;
}

const amps = (mA) => (mA / 1000).toFixed(1) + " A";

function car(o) {
  if (!o.in_car && !o.in_socket) return "none";
  const ends = o.in_car && o.in_socket ? "plugged in" : o.in_car ? "cable in the car only" : "cable in the socket only";
  return ends + (o.wants ? ", ready" : o.in_car ? ", paused" : "");
}

function show(one, c, o) {
  one.querySelector(".status").textContent = c.status || "The unit is off";
  one.querySelector(".now").replaceChildren(...[
    ["car", car(o)],
    ["takes (A)", o.takes_mA.map((mA) => (mA / 1000).toFixed(1)).join(" ")],
    ["may take", c.limit_mA === null ? "no limit" : amps(c.limit_mA)],
    ["pilot offers", c.pilot_mA ? amps(c.pilot_mA) : "nothing"],
    ["contactor", c.contactor ? "closed" : "open"],
    ["its battery", o.left_Wh === null ? "has no end" : "takes " + o.left_Wh + " Wh"],
    ["meter", (c.energy_Wh / 1000).toFixed(1) + " kWh"],
  ].map(([name, value]) => {
    const pair = document.createElement("div");
    pair.append(element("dt", name), element("dd", value));
    return pair;
  }));
  const wrong = one.querySelector(".wrong"), key = o.wrong.join(" ");
  if (wrong.dataset.key === key) return; // (its buttons keep the focus)
  wrong.dataset.key = key;
  wrong.hidden = !key;
  wrong.replaceChildren(element("span", "Wrong now:"), ...o.wrong.map((name) => {
    const button = element("button", "Clear " + name);
    button.dataset.say = "clear " + name + " {C}";
    return button;
  }));
}

async function poll() {
  if (busy) return;
  busy = true;
  try {
    const { report, powered, speed, outlets } = await ask("/state");
    const link = report.online ? "Central System: connected" : "Central System: not connected";
    $("line").textContent = (powered ? link : "The power is off") + " · " + report.t + " · speed " + speed;
    report.connectors.forEach((c, i) => outlets[i] && show(sections[c.id], c, outlets[i]));
  } catch (e) {
    $("line").textContent = "The station has ended, or does not answer";
  }
  busy = false;
}

async function run() {
  const about = await ask("/about");
  document.title = about.id + ": the wall and the car";
  $("name").textContent = about.id + ": the wall and the car";
  $("beside").hidden = !about.page;
  $("page").href = about.page || "";
  $("card").hidden = !about.reader;
  $("dim").hidden = !about.dim;
  $("help").textContent = about.help;
  document.querySelector("[name=ssid]").value = about.ssid;
  about.socket.forEach((has, i) => section(i + 1, about));
  for (;;) {
    if (!document.hidden) await poll();
    await new Promise((later) => setTimeout(later, POLL_ms));
  }
}
run();
