// The page of the unit: asks it for its report every few seconds, says that in words, and draws the
// plan. No data become HTML: everything is put in as text.
"use strict";

const $ = (id) => document.getElementById(id);
const POLL_ms = 3000, SLOW_ms = 60000, DAY_s = 86400, STEP_A = 0.5;
const cards = []; // by connector: its section, plan, history
let state = null, fetched = 0, failures = 0;

const WORDS = {
  Available: "Free", Preparing: "A car is there", Charging: "Charging",
  SuspendedEV: "The car takes nothing", SuspendedEVSE: "Paused by the station",
  Finishing: "Done: unplug the car", Reserved: "Reserved", Unavailable: "Out of service",
  Faulted: "Out of order",
};
const SOURCES = {
  Hardware: "the hardware", Installation: "the installation", Cable: "the cable",
  Temperature: "the temperature", Meter: "the meter, which is not believed",
  Policy: "the owner's rules", Pause: "the pause that protects the car", LastLimit:
  "what held before the power cut, until the time is known", EMS: "the energy management",
  Grid: "the grid operator", Other: "a limit from outside",
};
const TO_DO = {
  ContactorWelded: "The contactor does not open. Switch off at the breaker, have an electrician replace it.",
  ResidualCurrent: "Current leaks to earth. Unplug the car, look at cable and plug for water and damage, then clear it.",
  ResidualSelfTest: "The earth leakage sensor does not answer its test. Have an electrician look at it.",
  Interlock: "Two contactors that exclude each other are closed. Switch off, call an electrician.",
  ProtectiveEarth: "Protective earth is missing. Have an electrician look at the supply.",
  Overload: "The car took more than it was offered. Unplug it; if it happens again its charger is at fault.",
  PilotShort: "The pilot wire is shorted. Look at cable and plug.",
  Cable: "The cable cannot be read. Unplug it and plug it in again, or take another.",
  DiodeFault: "What is plugged in is no proper car. Unplug it.",
  ContactorNotClosed: "The contactor does not close. Have an electrician look at it.",
  PilotDuty: "The pilot is not what it should be. Restart; if it comes again the board is faulty.",
  VentilationNotAvailable: "This car wants a ventilated place, and this is none.",
  UnderVoltage: "The supply voltage is too low. It goes on by itself when that is over.",
  OverVoltage: "The supply voltage is too high. It goes on by itself when that is over.",
  HighTemperature: "It is too hot. It goes on by itself when it has cooled down.",
  OverCurrentFailure: "The car took too much current. Unplug it.",
  ConnectorLockFailure: "The plug cannot be locked or unlocked. Push it in fully, or pull gently.",
  PilotRange: "The pilot is out of range. Look at cable and plug.",
  PowerMeterFailure: "The meter does not answer. Look at its wiring.",
  Policy: "The owner's policy.py is broken: see below.",
};

// Who decides a part of the plan: class of its colour, in words, the sources of that, and what is
// drawn on the colour, so that they differ without it.
const DECIDERS = [
  ["tx", "profile of the transaction", "TxProfile", "M0 8L8 0M-2 2L2 -2M6 10L10 6"],
  ["default", "default profile", "TxDefaultProfile", "M0 0L8 8M-2 6L2 10M6 -2L10 2"],
  ["max", "profile of the station", "ChargePointMaxProfile", "M0 0L8 8M0 8L8 0"],
  ["outside", "limit from outside", "EMS Grid Other", "M0 4H8"],
  ["policy", "the owner's rules", "Policy", "M4 0V8"],
  ["fixed", "installation or hardware", "Hardware Installation Cable", ""],
  ["other", "what holds just now", "", "M0 4H8M4 0V8"],
];

const amps = (mA) => (mA / 1000).toFixed(1) + " A";
const short = (mA) => amps(mA).replace(".0 ", " ");
const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
const long = (s) => {
  const d = Math.floor(s / DAY_s), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  return (d ? d + " d " : "") + h + ":" + String(m).padStart(2, "0") + " h";
};
const soon = (t) => (t - state.now < 20 * 3600e3 ? clock(t - state.shift) : new Date(t - state.shift).toLocaleString([],
  { weekday: "short", hour: "2-digit", minute: "2-digit" }));
const date = (t) => t < "2020" ? "before the time was told" : new Date(Date.parse(t) - state.shift).toLocaleString();
const span = (text) => document.createTextNode(text);

function element(kind, attributes, ...inside) {
  const svg = ["svg", "path", "line", "text", "g", "title", "rect", "defs", "pattern"].includes(kind);
  const e = svg ? document.createElementNS("http://www.w3.org/2000/svg", kind) : document.createElement(kind);
  for (const [name, value] of Object.entries(attributes || {})) e.setAttribute(name, value);
  e.append(...inside.map((one) => (typeof one === "object" ? one : span(String(one)))));
  return e;
}

function list(dl, entries, boxed) {
  const out = [];
  for (const [name, value] of entries) {
    if (value === null || value === undefined || value === "") continue;
    const pair = [element("dt", {}, name), element("dd", {}, value)];
    out.push(...(boxed ? [element("div", {}, ...pair)] : pair));
  }
  dl.replaceChildren(...out);
}

function say(text) { $("said").textContent = text; }

// What the unit says has its times in UTC, and Wh: as all else here.
const worded = (text) => text.replace(/\d{4}-[\d-]+T[\d:]+Z/g, (t) => soon(Date.parse(t)))
  .replace(/(\d+) Wh/g, (all, Wh) => Wh / 1000 + " kWh");

async function get(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(15000) });
  if (!answer.ok) throw new Error((await answer.json()).error);
  return answer;
}

async function post(path, values, where) {
  let done = false;
  try {
    const answer = await fetch(path, {
      method: "POST", body: JSON.stringify(values || {}),
      headers: { "Content-Type": "application/json" }, signal: AbortSignal.timeout(15000),
    });
    const said = await answer.json();
    done = answer.ok;
    (where || $("said")).textContent = worded(said.said || said.error);
  } catch (e) {
    say("The station did not answer: " + e.message);
  }
  fetched = 0;
  await idle();
  await poll();
  return done;
}

// In words

function source(by) {
  return "profile" in by ? "profile " + by.profile : SOURCES[by.source] || by.source;
}

function why(c, plan) {
  const by = c.limit_by, offered = c.pilot_mA;
  if (!by) return ". Nothing limits it but the hardware.";
  let text = (c.contactor || offered ? ", limited" : ". It may take " + amps(c.limit_mA) + ", limited") + " by " + source(by);
  if (c.limit_mA < 6000) text = ". Nothing is offered: " + amps(c.limit_mA) + " by " + source(by);
  if (by.until) {
    const until = Date.parse(by.until), end = plan ? plan.at + plan.length_s * 1e3 : 0;
    const next = until < end && plan.periods.filter(([s]) => plan.at + s * 1e3 <= until + 2000).pop();
    text += " until " + soon(until);
    if (next) text += ", then " + (next[1] / 10).toFixed(1) + " A";
  }
  const after = c.limit_next, most = after && short(after.limit_mA);
  // (of one source, and twice: it is a limit for all, and this is a share of it)
  const shared = after && by.source === after.source && by.profile === after.profile;
  if (after) text += shared ? "; alone it might take " + most : "; without it " + whose(after, most) + " would hold";
  return text + ".";
}

function holds(c) {
  const mA = c.limit_by ? c.limit_mA : state.unit.hardware_mA[c.id - 1];
  return `connector ${c.id} may take ${short(mA)} by ${source(c.limit_by || { source: "Hardware" })}`;
}

function whose(by, what) {
  const name = source(by);
  if (/,| that /.test(name)) return `${what} by ${name}`;
  return name + (name.endsWith("s") ? "' " : "'s ") + what;
}

function title(c) {
  const took = Math.max(...c.ev_mA), word = WORDS[c.status] || c.status;
  return c.status === "Charging" ? word + " at " + amps(took) : word;
}

// The plot: the past from /history, the plan from /plan

function steps(points, x, y) { // [[time, A]], in order; null: nothing known
  let d = "", last = null;
  for (const [t, value] of points) {
    if (value === null) { last = null; continue; }
    d += last === null ? `M${x(t)} ${y(value)}` : `H${x(t)}V${y(value)}`;
    last = value;
  }
  return d;
}

function plot(card, c) {
  const wide = card.figure.clientWidth || 360, W = Math.max(320, wide), H = 220;
  const L = 34, R = 8, T = 26, B = 44, BAND = 8;
  const now = state.now, begin = now - 6 * 3600e3, end = now + DAY_s * 1e3;
  const { plan, past } = card, most = (state.unit.hardware_mA[c.id - 1] || 32000) / 1000;
  const x = (t) => (L + (Math.min(Math.max(t, begin), end) - begin) / (end - begin) * (W - L - R)).toFixed(1);
  const y = (A) => (T + (1 - Math.min(A, most) / most) * (H - T - B)).toFixed(1);
  const svg = element("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-labelledby": "t" + c.id });
  const told = plan ? plan.periods.map(([s, dA, , k]) => clock(plan.at + s * 1000 - state.shift) + " " + dA / 10 + " A by " + source(plan.by[k])).join(", ") : "";
  svg.append(element("title", { id: "t" + c.id }, "Current per phase over the last 6 hours and the plan of the next 24. Plan: " + told));
  for (let A = 0; A <= most; A += most > 20 ? 8 : 4) {
    svg.append(element("line", { class: "grid", x1: L, x2: W - R, y1: y(A), y2: y(A) }),
      element("text", { x: L - 4, y: +y(A) + 4, "text-anchor": "end" }, A));
  }
  const local = new Date(begin - state.shift);
  local.setMinutes(0, 0, 0);
  const every = W < 500 ? 6 : 3;
  for (let i = 0; i < 32; i++) {
    local.setHours(local.getHours() + 1);
    const t = local.getTime() + state.shift;
    if (local.getHours() % every || t > end) continue;
    svg.append(element("line", { class: "grid", x1: x(t), x2: x(t), y1: T, y2: H - B }),
      element("text", { x: x(t), y: H - B + BAND + 13, "text-anchor": "middle" }, String(local.getHours()).padStart(2, "0") + ":00"));
  }
  if (past) {
    const at = (i) => past.at - (past.values.length - 1 - i) * past.step_s * 1e3;
    const line = (k) => past.values.map((v, i) => [at(i), v[k]]).filter(([t]) => t >= begin);
    let d = "";
    for (const [t, A] of line(2)) {
      if (A) d += `M${x(t - past.step_s * 1e3)} ${y(0)}V${y(A)}H${x(t)}V${y(0)}Z`;
    }
    svg.append(element("path", { class: "car", d }), element("path", { class: "limit", d: steps(line(0), x, y) }),
      element("path", { class: "pilot", d: steps(line(1), x, y) }));
  }
  if (plan) {
    svg.append(...parts(plan, x, y, H - B, BAND));
    const points = plan.periods.map(([s, dA]) => [plan.at + s * 1e3, dA / 10]);
    points.push([plan.at + plan.length_s * 1e3, points[points.length - 1][1]]);
    svg.append(element("path", { class: "plan", d: steps(points, x, y) }));
  }
  svg.append(element("line", { class: "now-line", x1: x(now), x2: x(now), y1: T, y2: H - B }),
    element("path", { class: "axis", d: `M${L} ${T}V${H - B}H${W - R}` }),
    element("text", { x: 2, y: 12 }, "A per phase"),
    element("text", { x: x(now), y: T - 3, "text-anchor": "middle" }, "now"),
    element("text", { x: W - R, y: H - 4, "text-anchor": "end" }, "local time"));
  let at = L;
  for (const [kind, name, width] of [["plan", "plan", 58], ["limit", "limit", 58], ["pilot", "offered", 74], ["car", "taken", 60]]) {
    svg.append(kind === "car" ? element("rect", { class: kind, x: at, y: H - 13, width: 18, height: 9 })
      : element("path", { class: kind, d: `M${at} ${H - 8}h18` }),
      element("text", { x: at + 22, y: H - 4 }, name));
    at += width;
  }
  card.figure.replaceChildren(svg, ...(plan ? [legend(plan)] : []));
}

function decider(by) {
  return DECIDERS.find(([, , sources]) => sources.split(" ").includes(by.source)) || DECIDERS[DECIDERS.length - 1];
}

// Each part of the plan as an area, and in a band below it, where 0 A is seen too.
function parts(plan, x, y, bottom, band) {
  const out = [], { periods } = plan;
  periods.forEach(([s, dA, , k], i) => {
    const t = plan.at + s * 1e3, end = plan.at + (i + 1 < periods.length ? periods[i + 1][0] : plan.length_s) * 1e3;
    const at = +x(t), width = (+x(end) - at).toFixed(1), top = +y(dA / 10), fill = `url(#k-${decider(plan.by[k])[0]})`;
    const told = `${dA / 10} A by ${source(plan.by[k])} from ${clock(t - state.shift)} to ${clock(end - state.shift)}`;
    out.push(element("g", { class: "part" }, element("title", {}, told),
      element("rect", { x: at, width, y: top, height: bottom - top, fill }),
      element("rect", { x: at, width, y: bottom + 1, height: band - 1, fill })));
  });
  return out;
}

function legend(plan) {
  const kinds = DECIDERS.filter((one) => plan.periods.some((p) => decider(plan.by[p[3]]) === one));
  return element("figcaption", {}, "The plan is decided by:", element("ul", { class: "legend" }, ...kinds.map(([kind, name]) =>
    element("li", {}, element("svg", { viewBox: "0 0 24 14", "aria-hidden": "true" },
      element("rect", { width: 24, height: 14, fill: `url(#k-${kind})` })), name))));
}

document.body.append(element("svg", { id: "patterns", "aria-hidden": "true" }, element("defs", {}, ...DECIDERS.map(([kind, , , d]) =>
  element("pattern", { id: "k-" + kind, class: "k-" + kind, width: 8, height: 8, patternUnits: "userSpaceOnUse" },
    element("rect", { width: 8, height: 8 }), element("path", { d }))))));

async function follow(card, c) {
  const { t, length_s, periods, by } = await (await get("/plan/" + c.id)).json();
  card.plan = { at: Date.parse(t), length_s, periods, by };
  const past = await (await get("/history/" + c.id)).json();
  const values = [];
  for (let i = 0; i < past.samples.length; i += 6) {
    values.push([0, 2, 4].map((k) => {
      const byte = parseInt(past.samples.slice(i + k, i + k + 2), 16);
      return byte === 255 ? null : byte * STEP_A;
    }));
  }
  card.past = { at: Date.parse(past.t), step_s: past.step_s, values };
}

// Connectors

function card(c) {
  if (cards[c.id]) return cards[c.id];
  const section = $("connector").content.firstElementChild.cloneNode(true);
  const find = (name) => section.querySelector(name);
  const one = cards[c.id] = {
    section, title: find("h2"), status: find(".status"), why: find(".why"), fault: find(".fault"),
    now: find(".now"), figure: find("figure"), form: find("form"), needs: find(".needs"), key: null,
  };
  one.title.textContent = "Connector " + c.id;
  const form = one.form;
  form.setAttribute("aria-label", "Connector " + c.id);
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    post("/start", { connector: c.id, tag: form.tag.value.trim() });
  });
  form.stop.addEventListener("click", () => post("/stop", { connector: c.id }));
  form.clear.addEventListener("click", () => post("/clear", { connector: c.id }));
  one.needs.setAttribute("aria-label", "What the car at connector " + c.id + " needs");
  one.needs.addEventListener("submit", (e) => {
    e.preventDefault();
    const { energy, departure } = one.needs;
    post("/needs", { connector: c.id, words: `${energy.valueAsNumber.toFixed(1)} kWh ${next(departure.value)}` });
  });
  $("connectors").append(section);
  return one;
}

function next(time) { // of a time of day here, as the unit wants it: in UTC
  if (!time) return "-";
  const at = new Date(state.now - state.shift);
  at.setHours(...time.split(":"), 0, 0);
  if (at.getTime() <= state.now - state.shift) at.setDate(at.getDate() + 1);
  return at.toISOString().slice(0, 19) + "Z";
}

function show(c) {
  const one = card(c);
  one.status.textContent = title(c);
  one.why.textContent = why(c, one.plan);
  one.fault.hidden = !c.fault;
  if (c.fault && one.fault.dataset.fault !== c.fault) {
    one.fault.replaceChildren(element("strong", {}, c.fault + ". "), TO_DO[c.fault] || "See the log.");
  }
  one.fault.dataset.fault = c.fault || "";
  const s = c.tx && Math.max(0, (Date.parse(state.report.t) - Date.parse(c.tx.t)) / 1000);
  const needs = c.tx && c.tx.needs;
  list(one.now, [
    ["power", (c.power_W / 1000).toFixed(2) + " kW"],
    ["session", c.tx ? (c.tx.energy_Wh / 1000).toFixed(2) + " kWh" : null],
    ["for", c.tx ? long(s) : null],
    ["offered", c.pilot_mA ? amps(c.pilot_mA) : "nothing"],
    ["needs still", needs && (needs.energy_Wh / 1000).toFixed(1) + " kWh" + (needs.until ? " by " + soon(Date.parse(needs.until)) : "")],
    ["taken (A)", c.ev_mA.map((mA) => (mA / 1000).toFixed(1)).join(" ")],
    ["tag", c.idTag],
    ["meter", (c.energy_Wh / 1000).toFixed(1) + " kWh"],
  ], true);
  const known = state.unit.signed_in;
  one.form.hidden = !known;
  one.needs.hidden = !known || !c.tx;
  const runs = c.idTag !== null;
  one.form.start.disabled = one.form.tag.disabled = runs;
  one.form.stop.disabled = !runs;
  one.form.clear.disabled = !c.fault;
}

function station() {
  const { report, unit } = state, link = report.link, last = link.ends[link.ends.length - 1];
  $("name").textContent = unit.id;
  document.title = unit.id + ": " + report.connectors.map(title).join(", ");
  $("online").textContent = report.online ? "Central System: connected" : "Central System: not connected";
  const strength = unit.rssi_dBm === null ? "" : ", " + unit.rssi_dBm + " dBm";
  list($("facts"), [
    ["Central System", report.online ? "connected (" + unit.protocol + "), " + (report.boot || "not answered yet") : "not connected"],
    ["connections lost", link.lost],
    ["last end", last && last[2] + (last[1] > 1 ? ", " + last[1] + " times, " : ", ") + date(last[0])],
    ["Wi-Fi", (unit.ssid || "none named") + strength],
    ["address", unit.ip],
    ["its time", unit.time_known ? date(report.t) : "nobody has told it"],
    ["runs for", long(unit.up_s)],
    ["profiles", unit.profiles],
    ["policy.py", report.policy],
    ["the last run", report.crash],
    ["firmware", "Pilotwire " + unit.version + " on board " + unit.board],
    ["memory", Math.round(report.heap.free / 1024) + " KB free, " + Math.round(report.heap.alloc / 1024) + " KB in use"],
  ]);
  $("login").hidden = unit.signed_in;
  $("limit").hidden = $("in").hidden = $("update").hidden = $("log-part").hidden = $("config-part").hidden = !unit.signed_in;
  $("h-who").textContent = unit.signed_in ? "Signed in" : "Sign in";
}

// config.json: fields and checks are the unit's, the words for them are here

const FIELDS = {
  "Central System": {
    url: "Addresses, without the station's id", id: "Id of the station there",
    password: "Password of the station there", security_profile: "Security profile", protocols: "Version of OCPP",
    root_check: "A new root certificate has to be signed by the old one",
  },
  "Current": {
    max_mA: "Hardware maximum per phase, in mA", installation_mA: "Limit of the installation per phase, in mA; 0: none",
    meter_lost_mA: "Without a meter that can be believed, in mA", policy_broken_mA: "While policy.py is broken, in mA",
    hold_limit: "After a power cut the last limit caps until the time is known", voltage_V: "Voltage, in V",
  },
  "Charging": {
    plug_and_charge: "Tag that is presented when a car is plugged in", start_delay_s: "Random delay of the start, at most, in s",
    resume: "A transaction goes on after a power cut", wake: "Wake a car that sleeps", ventilation: "The place is ventilated",
  },
  "Network": {
    ssid: "Wi-Fi network", wifi_password: "Its password", networks: "More Wi-Fi networks", hostname: "Name in the network",
    ip: "Static address", netmask: "Netmask", gateway: "Gateway", dns: "DNS server", ntp: "NTP server", country: "Country",
  },
  "This unit": {
    board: "Board", connectors: "Connectors in use", vendor: "Vendor", model: "Model", serial: "Serial number",
    watchdog_s: "Watchdog, in s; 0: as it fits", log: "The log has errors", update_signed: "Only signed updates", page: "Password of this page",
  },
};
const HINTS = {
  url: "ws:// or wss://, four at most. The first one that can be reached is used",
  networks: "Four at most, with the one above. A password has 8 to 63 characters, or is the key of 64 hex digits",
};
const CHOICES = {
  protocols: { "ocpp2.0.1 ocpp1.6": "2.0.1, else 1.6", "ocpp1.6 ocpp2.0.1": "1.6, else 2.0.1", "ocpp2.0.1": "2.0.1", "ocpp1.6": "1.6" },
  security_profile: { 0: "0: no password, no TLS", 1: "1: password", 2: "2: password and TLS", 3: "3: certificate and TLS" },
  log: { 0: "alone", 1: "and warnings", 2: "and information", 3: "and debug" },
};
const LISTS = { url: "address", networks: "network" }, MOST = 4; // fields of several entries
const NETWORK = ["ssid", "wifi_password", "networks", "ip", "netmask", "gateway", "board"];
const config = $("config"), settings = config.querySelector("form");
let known = {}; // what each field has

const secret = (name) => name.includes("password") || name === "page";
const typed = (value) => (Array.isArray(value) ? value.join(" ") : String(value));
const inputs = (name) => settings.querySelector(`[data-field=${name}]`).querySelectorAll("input, select, button");

function field(name, label) {
  const { value, set, wants } = known[name], flag = typeof value === "boolean", hint = { id: "w-" + name };
  const box = (...inside) => element("div", { "data-field": name }, ...inside);
  if (name in LISTS) {
    const list = entries(name, label, [].concat(value || []));
    return box(element("span", { id: "l-" + name }, label), list, element("small", hint, HINTS[name]));
  }
  if (name in CHOICES) return box(element("label", {}, label, choice(name, typed(value))));
  const kind = flag ? "checkbox" : secret(name) ? "password" : typeof value === "number" ? "number" : "text";
  const input = element("input", { name, type: kind, autocomplete: secret(name) ? "new-password" : "off" });
  if (flag) input.checked = value;
  else if (secret(name)) input.placeholder = set ? "it is set; empty: as it is" : "none";
  else input.value = typed(value);
  if (flag) return box(element("label", {}, input, " " + label));
  input.setAttribute("aria-describedby", hint.id);
  const out = [element("label", {}, label, input), element("small", hint, wants === "text" ? "" : wants)];
  if (secret(name) && set && name !== "page") {
    out.push(element("label", {}, element("input", { name: name + " none", type: "checkbox" }), " no password any more"));
  }
  return box(...out);
}

function choice(name, value) {
  const words = { ...(value in CHOICES[name] ? {} : { [value]: value }), ...CHOICES[name] };
  const select = element("select", { name }, ...Object.entries(words).map(([one, text]) => element("option", { value: one }, text)));
  select.value = value;
  return select;
}

function entries(name, label, values) { // a row each; they are numbered for who does not see them
  const what = LISTS[name], rows = element("div", {}), more = element("button", { type: "button" }, "Add " + what);
  const count = () => {
    [...rows.children].forEach((row, i) => row.querySelectorAll("[data-as]").forEach((one) => {
      one.setAttribute("aria-label", `${one.dataset.as} ${what} ${i + 1}`);
    }));
    more.disabled = rows.children.length >= MOST;
  };
  const add = (value) => {
    const away = element("button", { type: "button", "data-as": "Remove" }, "Remove");
    const row = element("div", { class: "row" }, ...(name === "url" ? address(value) : network(value)), away);
    away.addEventListener("click", () => {
      const beside = row.nextElementSibling || row.previousElementSibling;
      row.remove();
      count();
      (beside ? beside.querySelector("input") : more).focus();
    });
    rows.append(row);
    count();
    return row;
  };
  more.addEventListener("click", () => add().querySelector("input").focus());
  values.forEach(add);
  count();
  return element("div", { role: "group", "aria-labelledby": "l-" + name, "aria-describedby": "w-" + name }, rows, more);
}

function address(url = "") {
  const named = { name: "address", "data-as": "Central System", pattern: "wss?://.+", title: "ws:// or wss://", required: "" };
  return [element("input", { ...named, value: url, autocomplete: "off" })];
}

function network(ssid = "") { // one that is there keeps its password, but not under another name
  const name = element("input", { name: "ssid", "data-as": "Name of", value: ssid, maxlength: 32, placeholder: "name", required: "", autocomplete: "off" });
  const password = element("input", { name: "key", "data-as": "Password of", type: "password", minlength: 8, maxlength: 64, autocomplete: "new-password" });
  const tell = () => { password.placeholder = ssid && name.value === ssid ? "password: as it is" : "password; empty: none"; };
  name.dataset.stored = ssid;
  name.addEventListener("input", tell);
  tell();
  return [name, password];
}

function listed(name) { // what the rows have
  return [...settings.querySelectorAll(`[data-field=${name}] .row`)].map((row) => {
    const [first, password] = row.querySelectorAll("input");
    if (!password) return first.value.trim();
    const keeps = !password.value && first.value === first.dataset.stored;
    return keeps ? { ssid: first.value } : { ssid: first.value, password: password.value };
  });
}

async function unfold() {
  known = {};
  for (const one of (await (await get("/config")).json()).fields) known[one.name] = one;
  settings.querySelector(".fields").replaceChildren(...Object.entries(FIELDS).map(([title, names]) =>
    element("fieldset", {}, element("legend", {}, title), ...Object.entries(names).map(([name, label]) => field(name, label)))));
}

function meant(name) { // what a person has put into the field; undefined: nothing else than before
  const { value } = known[name];
  if (name in LISTS) {
    const now = listed(name), before = [].concat(value || []).map((one) => (name === "url" ? one : { ssid: one }));
    if (JSON.stringify(now) === JSON.stringify(before)) return undefined;
    return now.length === 1 && name === "url" ? now[0] : now.length ? now : null;
  }
  const [input, none] = inputs(name);
  if (input.type === "checkbox") return input.checked === value ? undefined : input.checked;
  const text = secret(name) ? input.value : input.value.trim();
  if (secret(name)) return none && none.checked ? null : text || undefined;
  if (text === typed(value) && !input.validity.badInput) return undefined;
  if (!text) return null;
  if (typeof value === "number") return Number(text);
  return name === "protocols" ? text.split(" ") : text;
}

config.addEventListener("toggle", () => {
  settings.querySelector("[role=alert]").textContent = "";
  if (config.open) unfold().catch((e) => say(e.message));
});
settings.addEventListener("submit", async (e) => {
  e.preventDefault();
  const values = {}, told = settings.querySelector("[role=alert]"), names = Object.values(FIELDS).flatMap(Object.keys);
  for (const name of names) {
    inputs(name)[0].removeAttribute("aria-invalid");
    const value = meant(name);
    if (value !== undefined) values[name] = value;
  }
  const risky = NETWORK.filter((name) => name in values);
  if (risky.length && !confirm("Where " + risky.join(", ") + " is wrong the station cannot be reached any more after a restart. Store it?")) return;
  told.textContent = "";
  if (await post("/config", values, told)) return unfold();
  const [, wrong] = told.textContent.match(/^config.json: (\w+):/) || [];
  if (!names.includes(wrong)) return;
  inputs(wrong)[0].setAttribute("aria-invalid", "true");
  inputs(wrong)[0].focus();
});

// What to ask for, and when

let busy = false;
async function idle() { // (what is asked already was before what is asked next)
  while (busy) await new Promise((later) => setTimeout(later, 100));
}

async function poll() {
  if (busy) return;
  busy = true;
  try {
    const fresh = await (await get("/state")).json();
    // Its own time is shown, unless nobody has told it: then what it says is put right by ours.
    const now = Date.parse(fresh.report.t);
    const shift = fresh.unit.time_known ? 0 : now - Date.now();
    if (state && fresh.unit.up_s < state.unit.up_s) say("It has restarted." + (state.unit.signed_in ? " Sign in again." : ""));
    state = { report: fresh.report, unit: fresh.unit, now, shift };
    failures = 0;
    const old = Date.now() - fetched > SLOW_ms;
    for (const c of fresh.report.connectors) {
      const one = card(c), key = JSON.stringify([c.limit_by, c.transactionId]);
      show(c);
      if (old || one.key !== key) {
        one.key = key;
        await follow(one, c);
        one.why.textContent = why(c, one.plan);
      }
      plot(one, c);
    }
    station();
    // (its first line may have lost its beginning)
    if (fresh.unit.signed_in) $("log").textContent = (await (await get("/log")).text()).replace(/^(?!\d+ [A-Z] ).*\n/, "");
    if (old) fetched = Date.now();
  } catch (e) {
    failures += 1;
    $("online").textContent = "The station does not answer" + (failures > 1 ? " (" + failures + " times)" : "");
  }
  busy = false;
}

async function run() {
  for (;;) {
    if (!document.hidden) await poll();
    if (awaited && !busy) await arrived();
    await new Promise((later) => setTimeout(later, POLL_ms));
  }
}

// An update that is brought

const update = $("update");
let awaited = null; // what was sent: its version, the slot before, how long the unit ran

function stands(text) { $("updating").textContent = text; }

async function version(file) { // by its header (docs/updates.md)
  const bytes = new Uint8Array(await file.slice(0, 96).arrayBuffer());
  const text = (from, to) => new TextDecoder().decode(bytes.slice(from, to)).replace(/\0.*$/s, "");
  if (text(0, 4) !== "PWUP" || file.size > 2 ** 21) throw new Error("It is no .upd that make release has made.");
  return text(24, 48);
}

function send(file) {
  const bar = $("sent");
  bar.hidden = false;
  return new Promise((done, failed) => {
    const x = new XMLHttpRequest();
    x.open("POST", "/update");
    x.upload.onprogress = (e) => {
      bar.value = e.loaded / e.total;
      stands(e.loaded < e.total ? Math.floor(100 * bar.value) + " % is sent" : "All is sent, it is looked at");
    };
    x.onload = () => {
      const said = JSON.parse(x.responseText);
      if (x.status === 200) done(said.said); else failed(new Error("It is refused: " + said.error + "."));
    };
    x.onerror = () => failed(new Error("The connection broke. What runs is as it was: send the file again."));
    x.send(file);
  }).finally(() => { bar.hidden = true; });
}

async function bring(file) {
  const fresh = await version(file), old = state.unit.version;
  const { slot, hinders } = await (await get("/update")).json();
  if (hinders) throw new Error("Not now: " + hinders + ".");
  const order = fresh.localeCompare(old, undefined, { numeric: true });
  const kind = order < 0 ? "the OLDER version " : order ? "version " : "the same version ";
  if (!confirm("Install " + kind + fresh + " in place of " + old + "? The station restarts.")) return;
  stands(await send(file) + ".");
  awaited = { slot, version: fresh, up_s: state.unit.up_s };
}

async function arrived() { // after each look at the unit
  const now = await get("/update").then((answer) => answer.json()).catch(() => null);
  if (!now) return; // (it restarts)
  const { slot, trial, hinders } = now, { unit, report } = state, restarted = unit.up_s < awaited.up_s;
  if (slot !== awaited.slot) {
    stands("Version " + unit.version + " runs" + (trial === null ? "." : ", on trial: until it has reached the Central System, or for 5 minutes."));
    if (trial === null) awaited = null;
  } else if (restarted) {
    stands("Version " + awaited.version + " was not taken, " + unit.version + " runs as before. " + (report.crash || ""));
    awaited = null;
  } else if (hinders) stands(hinders + ".");
  if (awaited) awaited.up_s = unit.up_s;
}

update.addEventListener("submit", async (e) => {
  e.preventDefault();
  update.begin.disabled = true;
  await idle();
  busy = true; // (one request at a time is answered: no other until it is sent)
  try {
    await bring(update.file.files[0]);
  } catch (error) {
    stands(error.message);
  }
  busy = update.begin.disabled = false;
});

$("login").addEventListener("submit", async (e) => {
  e.preventDefault();
  await post("/login", { password: $("password").value });
  $("password").value = "";
});
$("logout").addEventListener("click", () => post("/logout"));
const limit = $("limit");
limit.addEventListener("submit", (e) => {
  e.preventDefault();
  post("/limit", { words: `${limit.amps.value} for ${60 * limit.minutes.value}` });
});
limit.off.addEventListener("click", async () => {
  if (await post("/limit", { words: "off" })) $("said").append("; " + state.report.connectors.map(holds).join("; "));
});
$("restart").addEventListener("click", () => {
  if (confirm("Restart the station? A transaction that runs ends.")) post("/restart");
});
run();
