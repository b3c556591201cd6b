// Asks for the state once a second and draws what has changed. No library, no build step.

const get = (id) => document.getElementById(id);
const drawn = new Map();
const unfolded = new Set();
let state = null;
let chosen = null;
let busy = false;

/** Make an element: its attributes, then its children (texts or elements). */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Replace what `parent` holds, only when `value` differs from what was drawn last. */
function draw(parent, value, render) {
  const text = JSON.stringify(value);
  if (drawn.get(parent.id) === text) return;
  drawn.set(parent.id, text);
  parent.replaceChildren(...render(value));
}

/** Make a fold that stays open when its list is drawn anew. */
function fold(key, title, ...values) {
  const details = make("details", {}, make("summary", {}, title),
    ...values.map((value) => make("pre", {}, JSON.stringify(value, null, 2))));
  details.open = unfolded.has(key);
  details.addEventListener("toggle", () => unfolded[details.open ? "add" : "delete"](key));
  return details;
}

const time = (iso) => new Date(iso).toLocaleTimeString("en-GB");
const date = (iso) => new Date(iso).toLocaleDateString("en-GB", { dateStyle: "medium" });
const money = (minor, currency) =>
  new Intl.NumberFormat("en-GB", { style: "currency", currency }).format(minor / 100);
const none = (text) => [make("li", { class: "none" }, text)];
const live = (subscription) =>
  subscription !== null && ["active", "trialing", "past_due"].includes(subscription.status);

function customers(list) {
  return list.map(({ account, subscription }) => {
    const input = make("input", { type: "radio", name: "customer", value: account.discord_id });
    input.checked = account.discord_id === chosen;
    input.addEventListener("change", () => {
      chosen = account.discord_id;
      get("problem").textContent = "";
      render();
    });
    const plan = live(subscription) ? subscription.plan : "no plan";
    return make("label", {}, input, make("strong", {}, account.name),
      make("span", { class: "plan" }, plan), make("small", {}, account.note));
  });
}

function subscriptionLines(subscription) {
  const lines = subscription === null ? [["State", "never subscribed"]] : [
    ["State", subscription.status],
    ["Plan", `${subscription.plan}, ${subscription.subscription_type}`],
    ["Price", money(subscription.amount, subscription.currency)],
    [!live(subscription) ? "Ended" : subscription.cancel_at_period_end ? "Ends" : "Renews",
      date(subscription.current_period_end)],
  ];
  return lines.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
}

function invoices(list) {
  if (list.length === 0) return none("none yet");
  return list.map((invoice) => make("li", {},
    make("span", {}, `${money(invoice.amount, invoice.currency)} · ${invoice.status}`),
    make("time", { datetime: invoice.created }, date(invoice.created))));
}

/** Say how a call went: done, accepted but not as wished, or refused. */
function outcome({ status, answer, error }) {
  if (status === null || status >= 400) return ["bad", error ?? answer?.message ?? answer?.error];
  const reached = answer?.notification_sent ?? answer?.roles_updated ?? answer?.success;
  return [reached ? "good" : "mixed", answer?.message ?? JSON.stringify(answer)];
}

function exchanges(list) {
  if (list.length === 0) return none("Nothing was sent yet. Choose a customer and press a button.");
  return list.map((call) => {
    const [kind, text] = outcome(call);
    const about = [call.request?.action, call.request?.plan].filter(Boolean).join(", ");
    return make("li", { "data-exchange": call.number },
      make("div", { class: "line" },
        make("strong", {}, `${call.method} ${call.path}`),
        make("strong", { class: kind }, call.status === null ? "no answer" : String(call.status)),
        make("span", { class: "end" }, `${call.milliseconds} ms · ${time(call.at)}`)),
      make("p", { class: "what" }, about && `${about} → `, make("span", { class: kind }, text)),
      fold(`exchange ${call.number}`, "Request and answer", call.request, call.answer));
  });
}

function events(list) {
  if (list.length === 0) return none("Nothing came yet. Moddy tells here what happens on Discord.");
  const names = new Map(state.customers.map(({ account }) => [account.discord_id, account.name]));
  return list.map((event) => make("li", { "data-event": event.number },
    make("div", { class: "line" }, make("strong", {}, event.event_type),
      make("span", {}, names.get(event.discord_id) ?? event.discord_id),
      make("span", { class: "end" }, time(event.received_at))),
    fold(`event ${event.number}`, "Metadata", event.metadata)));
}

function views({ shown, views: list }) {
  return list.map(({ name, label }) => {
    const button = make("button", { "aria-pressed": String(name === shown), "data-view": name }, label);
    button.addEventListener("click", () => show(name));
    return button;
  });
}

function allow(subscription) {
  const has = live(subscription);
  const allowed = {
    subscribe: !has,
    update: has,
    "cancel-now": has,
    "cancel-at-period-end": has && !subscription.cancel_at_period_end,
    upgrade: has && subscription.plan !== "moddy_max",
    downgrade: has && subscription.plan !== "moddy_plus",
    roles: true,
  };
  for (const button of document.querySelectorAll("[data-button]")) {
    button.disabled = busy || !allowed[button.dataset.button];
  }
}

function allowMembership(memberIds) {
  for (const button of document.querySelectorAll("[data-member]")) {
    const is = memberIds.includes(chosen);
    button.disabled = busy || is === (button.dataset.member === "true");
  }
}

function render() {
  if (state === null) return;
  chosen ??= state.customers[0]?.account.discord_id ?? null;
  const customer = state.customers.find(({ account }) => account.discord_id === chosen);
  get("moddy").textContent = state.moddy_url ? `Moddy: ${state.moddy_url}` : "Moddy is starting";
  draw(get("customers"), state.customers, customers);
  draw(get("exchanges"), state.exchanges, exchanges);
  draw(get("events"), state.events, events);
  get("discord").hidden = state.discord === null;
  get("server").hidden = state.discord === null;
  if (state.discord !== null) {
    draw(get("views"), state.discord, views);
    allowMembership(state.discord.member_ids);
  }
  if (customer === undefined) return;
  draw(get("subscription"), customer.subscription, subscriptionLines);
  draw(get("invoices"), customer.invoices, invoices);
  allow(customer.subscription);
}

async function refresh() {
  try {
    const response = await fetch("/api/state");
    state = await response.json();
    render();
  } catch {
    get("moddy").textContent = "The sandbox has stopped.";
  }
}

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

/** Do something that may be refused, with the buttons held meanwhile. */
async function attempt(work) {
  busy = true;
  get("problem").textContent = "";
  render();
  try {
    await work();
  } catch (error) {
    get("problem").textContent = error.message;
  } finally {
    busy = false;
    await refresh();
  }
}

const show = (name) => attempt(async () => {
  const { url } = await post("/api/view", { view: name });
  window.open(url, "moddy-sandbox-discord");
});

for (const button of document.querySelectorAll("[data-button]")) {
  button.addEventListener("click", () => attempt(() =>
    post(`/api/customers/${chosen}/${button.dataset.button}`,
      { plan: get("plan").value, period: get("period").value })));
}

for (const button of document.querySelectorAll("[data-member]")) {
  button.addEventListener("click", () => attempt(() =>
    post(`/api/members/${chosen}`, { member: button.dataset.member === "true" })));
}

refresh();
setInterval(refresh, 1000);
