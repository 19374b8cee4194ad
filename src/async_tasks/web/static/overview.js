// Draws the charts of the overview from the numbers that the page carries, again whenever these change.

const LANGUAGE = navigator.language.startsWith("en") ? navigator.language : "en-GB"; // the pages are in English
const format = (options) => new Intl.DateTimeFormat(LANGUAGE, options);
const CLOCK = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = format({ weekday: "short", day: "numeric" });
const BOTH = format({ weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

const HEIGHT = 210;
const read = () => JSON.parse(document.getElementById("drawn").textContent);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// ---- values as the page says them -------------------------------------------------------------------------------

const number = new Intl.NumberFormat(LANGUAGE);
const count = (value) => (value == null ? "–" : number.format(value));
const percent = (value) => (value == null ? "–" : `${Number((100 * value).toFixed(1))} %`);
function length(ms) {
  if (ms == null) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(1))} s`;
  if (ms < 3_600_000) return `${Number((ms / 60_000).toFixed(1))} min`;
  return `${Number((ms / 3_600_000).toFixed(1))} h`;
}

// ---- what each chart draws: its lines, each with its name, colour, values, and how they are said ------------------

const line = (label, ink, values, more = {}) => ({ label, ink, values, ...more });
const SPREAD = [["p50", "run"], ["p95", "wait"], ["p99", "bad"]];
const spread = (percentiles) => SPREAD.map(([part, ink]) => line(part, ink, percentiles[part]));
const QUEUES = ["accent", "good", "wait", "bad", "run", "off"];

const CHARTS = {
  throughput: {
    say: count,
    least: 4,
    lines: ({ submitted, succeeded, failed }) => [
      // What failed stands on what succeeded: its bar is as high as both, and behind.
      line("Failed", "bad", succeeded.map((value, at) => value + failed[at]), { bars: true, said: failed }),
      line("Succeeded", "good", succeeded, { bars: true }),
      line("Submitted", "accent", submitted),
    ],
  },
  rate: { say: percent, least: 0.1, most: 1, lines: ({ rate }) => [line("Failed", "bad", rate, { area: true })] },
  wait: { say: length, least: 10, lines: ({ wait }) => spread(wait) },
  run: { say: length, least: 10, lines: ({ run }) => spread(run) },
  depth: {
    say: count,
    least: 4,
    lines: ({ depth }) => Object.entries(depth).map(([queue, values], at) =>
      line(queue, QUEUES[at % QUEUES.length], values, { area: at === 0, dash: at < QUEUES.length ? [] : [6, 3] })),
  },
};

function series({ label, ink, bars, area, dash }, say, said) {
  const stroke = colour(ink);
  return {
    label,
    stroke,
    width: bars ? 0 : 1.75,
    dash,
    fill: bars ? stroke : area ? `color-mix(in srgb, ${stroke} 15%, transparent)` : undefined,
    paths: bars ? uPlot.paths.bars({ size: [0.7, 40] }) : undefined,
    points: { show: !bars, size: 5, fill: stroke, filter: alone },
    value: (_, __, ___, at) => say(at == null ? null : said(at)),
  };
}

// A line joins two values; one that has no neighbour would not be seen.
const alone = ({ data }, i) => [...data[i].keys()].filter((at) => data[i][at] != null && data[i][at - 1] == null && data[i][at + 1] == null);

const MIDNIGHT = "00:00";
function moment(at) {
  const clock = CLOCK.format(at);
  return clock === MIDNIGHT ? DAY.format(at) : clock;
}

function options(chart, held, width, { bucket }) {
  const { lines } = held;
  const axis = { stroke: colour("quiet"), font: "12px system-ui, sans-serif", ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    padding: [12, 16, 0, 0],
    cursor: { y: false, drag: { setScale: false, x: false }, points: { size: 7 } },
    legend: { markers: { width: 0, fill: (u, at) => (at ? colour(lines[at - 1].ink) : undefined) } },
    scales: {
      // A bar stands around the beginning of its time.
      x: { range: (_, first, last) => [first - bucket / 2, last + bucket / 2] },
      y: { range: (_, __, most) => [0, Math.min(Math.max(most * 1.1, chart.least), chart.most ?? Infinity)] },
    },
    axes: [
      { ...axis, values: (_, splits) => splits.map((at) => moment(at * 1000)), grid: { show: false }, space: 64, size: 28 },
      { ...axis, values: (_, splits) => splits.map(chart.say), grid: { stroke: colour("line"), width: 1 }, size: 58,
        incrs: chart.say === count ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 1_000_000] : undefined },
    ],
    series: [
      { label: "At", value: (_, at) => (at == null ? "–" : (bucket < 3600 ? CLOCK : BOTH).format(at * 1000)) },
      // What is said is looked up as it is by then: numbers change under a plot.
      ...lines.map((each, i) => series(each, chart.say, (at) => (held.lines[i].said ?? held.lines[i].values)[at])),
    ],
  };
}

// ---- drawing ----------------------------------------------------------------------------------------------------

const drawn = new Map(); // the plot in each element, and its lines

function draw(place, figures) {
  const chart = CHARTS[place.dataset.chart];
  const lines = chart.lines(figures);
  const data = [figures.at, ...lines.map(({ values }) => values)];
  const held = drawn.get(place);
  if (held?.lines.length === lines.length) {
    held.lines = lines;
    held.plot.setData(data);
    return;
  }
  held?.plot.destroy();
  const fresh = { lines };
  fresh.plot = new uPlot(options(chart, fresh, place.clientWidth, figures), data, place);
  drawn.set(place, fresh);
}

function drawAll() {
  const figures = read();
  for (const place of document.querySelectorAll("[data-chart]")) draw(place, figures);
}

function drawAnew() {
  for (const { plot } of drawn.values()) plot.destroy();
  drawn.clear();
  drawAll();
}

drawAll();
document.addEventListener("refreshed", ({ target }) => target.id === "figures" && drawAll());
// Colours are read when a plot is made.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAnew);
const watcher = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const plot = drawn.get(target)?.plot;
    if (plot && plot.width !== target.clientWidth) plot.setSize({ width: target.clientWidth, height: HEIGHT });
  }
});
for (const place of document.querySelectorAll("[data-chart]")) watcher.observe(place);
