"use strict";
// Draws the trends. Without this script the tables say the same.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  if (!data.lines.length) return;
  const byId = (id) => document.getElementById(id);
  const [suite, metric, filter, count, key, charts] = ["suite", "metric", "filter", "count", "key", "charts"].map(byId);
  const MOST = 60;
  const SYMBOLS = ["circle", "rect", "triangle", "diamond", "roundRect", "pin"];
  const DASHES = ["solid", "dashed", "dotted"];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const isInfinite = (value) => value === "inf";

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  const figure = (value, unit) => {
    if (value === null || value === undefined) return "n/a";
    if (isInfinite(value)) return "not met";
    if (unit === "%") return `${(value * 100).toFixed(2)} %`;
    const digits = value ? Math.min(3, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))) : 3;
    const number = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    return unit.startsWith("1/") ? `${number}${unit.slice(1)}` : `${number} ${unit}`;
  };

  const runName = (place) => {
    const [date, commit, verdict, pull] = data.runs[place];
    return [date, commit, pull ? `pull request ${pull}` : "", verdict].filter(Boolean).join(", ");
  };

  // The lines of the chosen suite, each with its number on the page and its look.
  const shownLines = () =>
    data.lines
      .map((line, index) => ({ ...line, number: index + 1 }))
      .filter((line) => line.suite === suite.value)
      .map((line, index) => ({
        ...line,
        ink: colour(`line-${(index % 6) + 1}`),
        symbol: SYMBOLS[index % SYMBOLS.length],
        dash: DASHES[Math.floor(index / 6) % DASHES.length],
      }));

  const trendsOf = (endpoint, lines) =>
    lines
      .map((line) => ({
        line,
        trend: line.trends.find((one) => one.endpoint === endpoint && one.metric === metric.value),
      }))
      .filter((one) => one.trend);

  const summary = (found, unit) =>
    found
      .map(({ line, trend }) => {
        const last = trend.values.findLast((value) => value !== null);
        const shift = trend.shifts.at(-1);
        const since = shift ? `; level ${shift[1]} since ${data.runs[line.runs[shift[0]]][0]}` : "";
        return `Line ${line.number}: newest ${figure(last, unit)}${since}`;
      })
      .join(". ");

  const series = ({ line, trend }, places, unit, top) => {
    const at = (index) => places.get(line.runs[index]);
    const points = trend.values
      .map((value, index) => ({
        value: [at(index), isInfinite(value) ? top : value],
        infinite: isInfinite(value),
        name: `${runName(line.runs[index])}\n${figure(value, unit)}, line ${line.number}`,
        counts: data.runs[line.runs[index]][4],
      }))
      .filter((point) => point.value[1] !== null);
    const dot = { symbol: line.symbol, symbolSize: 6, animation: false };
    const levels = trend.levels.map(([begin, end, value]) => [
      { coord: [at(begin) - 0.4, isInfinite(value) ? top : value] },
      { coord: [at(end - 1) + 0.4, isInfinite(value) ? top : value] },
    ]);
    const shifts = trend.shifts.map(([index, change, worse]) => [
      {
        coord: [at(index) - 0.5, "min"],
        lineStyle: { color: colour(worse ? "bad" : "good"), type: "dashed", width: 1.2 },
        label: { show: true, position: "end", align: at(index) < 0.7 * places.size ? "center" : "right", formatter: `${worse ? "▲" : "▼"} ${change}`, color: colour(worse ? "bad" : "good") },
      },
      { coord: [at(index) - 0.5, "max"] },
    ]);
    const marks = [
      ...levels.map(([from, to]) => [{ ...from, lineStyle: { color: line.ink, type: "solid", width: 5, opacity: 0.35 }, label: { show: false } }, to]),
      ...shifts.map(([from, to]) => [{ ...from, coord: undefined, xAxis: from.coord[0], yAxis: 0 }, { xAxis: to.coord[0], yAxis: top }]),
    ];
    return [
      {
        ...dot,
        type: "line",
        data: points.filter((point) => point.counts),
        lineStyle: { color: line.ink, width: 1.4, type: line.dash, opacity: 0.75 },
        itemStyle: { color: line.ink },
        markLine: { silent: true, symbol: "none", animation: false, data: marks },
      },
      {
        ...dot,
        type: "scatter",
        symbolSize: 7,
        data: points.filter((point) => !point.counts),
        itemStyle: { color: "transparent", borderColor: line.ink, borderWidth: 1.4 },
      },
    ];
  };

  const option = (found, unit) => {
    const used = [...new Set(found.flatMap(({ line }) => line.runs))].sort((a, b) => a - b);
    const places = new Map(used.map((run, place) => [run, place]));
    const finite = found.flatMap(({ trend }) => trend.values).filter((value) => typeof value === "number");
    const top = Math.max(...finite, 0) * 1.18 || 1;
    const beyond = found.some(({ trend }) => trend.values.some(isInfinite));
    const soft = colour("soft");
    return {
      animation: false,
      grid: { left: 8, right: 14, top: 26, bottom: 4, containLabel: true },
      tooltip: {
        renderMode: "richText", // text alone: no name becomes markup
        backgroundColor: colour("panel"),
        borderColor: colour("line"),
        textStyle: { color: colour("ink"), fontSize: 12 },
        formatter: (point) => point.data.name,
      },
      xAxis: {
        type: "value", min: -0.7, max: used.length - 0.3, splitLine: { show: false }, axisTick: { show: false },
        axisLine: { lineStyle: { color: colour("line") } },
        axisLabel: { color: soft, hideOverlap: true, formatter: (place) => data.runs[used[place]]?.[0] ?? "" },
        minInterval: 1, splitNumber: 4,
      },
      yAxis: {
        type: "value", min: 0, max: top, axisLine: { show: false }, axisTick: { show: false }, splitLine: { lineStyle: { color: colour("faint") } },
        axisLabel: { color: soft, showMaxLabel: beyond, formatter: (value) => (value === top ? "not met" : value ? figure(value, unit) : "0") },
        splitNumber: 4,
      },
      series: found.flatMap((one) => series(one, places, unit, top)),
    };
  };

  const table = (endpoint, found, unit) => {
    const body = make("tbody");
    for (const { line, trend } of found) {
      trend.values.forEach((value, index) => {
        if (value === null) return;
        body.append(make("tr", {}, make("th", { scope: "row" }, runName(line.runs[index])), make("td", { class: "number" }, figure(value, unit)), make("td", { class: "number" }, String(line.number))));
      });
    }
    const head = make("tr", {}, make("th", { scope: "col" }, "Run"), make("th", { scope: "col", class: "number" }, "Value"), make("th", { scope: "col", class: "number" }, "Line"));
    return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Values of ${endpoint}` }, make("table", {}, make("thead", {}, head), body));
  };

  const card = (endpoint, found, unit, label) => {
    const words = summary(found, unit);
    const plot = make("div", { class: "plot", role: "img", "aria-label": `${label} of ${endpoint}, run by run. ${words}` });
    const values = make("details", {}, make("summary", {}, "Values as a table"));
    values.addEventListener("toggle", () => values.children.length > 1 || values.append(table(endpoint, found, unit)));
    const made = make("figure", { class: "card", "data-endpoint": endpoint }, make("figcaption", {}, make("code", {}, endpoint), make("p", {}, words)), plot, values);
    made.draw = () => {
      const chart = echarts.getInstanceByDom(plot) ?? echarts.init(plot, null, { renderer: "svg" });
      chart.resize();
      chart.setOption(option(found, unit), true);
    };
    return made;
  };

  const inView = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (isIntersecting) {
        target.draw();
        inView.unobserve(target);
      }
    }
  }, { rootMargin: "400px" });

  const namespace = "http://www.w3.org/2000/svg";
  const swatch = (line) => {
    const drawing = document.createElementNS(namespace, "svg");
    drawing.setAttribute("viewBox", "0 0 40 12");
    drawing.setAttribute("aria-hidden", "true");
    const stroke = document.createElementNS(namespace, "path");
    stroke.setAttribute("d", "M0 6H40");
    stroke.setAttribute("stroke", line.ink);
    stroke.setAttribute("stroke-width", "3");
    stroke.setAttribute("stroke-dasharray", { solid: "none", dashed: "8 5", dotted: "2 4" }[line.dash]);
    drawing.append(stroke);
    return drawing;
  };

  const draw = () => {
    for (const old of charts.querySelectorAll(".plot")) echarts.getInstanceByDom(old)?.dispose();
    inView.disconnect();
    const lines = shownLines();
    const { unit, label } = data.metrics.find((one) => one.key === metric.value);
    const names = [...new Set(lines.flatMap((line) => line.trends.map((trend) => trend.endpoint)))].sort();
    const wanted = filter.value.trim().toLowerCase();
    const fitting = names.filter((name) => name.toLowerCase().includes(wanted));
    const cards = fitting
      .map((name) => [name, trendsOf(name, lines)])
      .filter(([, found]) => found.length)
      .slice(0, MOST)
      .map(([name, found]) => card(name, found, unit, label));
    charts.replaceChildren(...cards);
    key.replaceChildren(...lines.map((line) => make("li", {}, swatch(line), `Line ${line.number}: ${line.name}`)));
    count.textContent = `${cards.length} of ${names.length} endpoints`;
    for (const one of cards) inView.observe(one);
  };

  const used = new Set(data.lines.flatMap((line) => line.trends.map((trend) => trend.metric)));
  suite.replaceChildren(...[...new Set(data.lines.map((line) => line.suite))].map((name) => make("option", { value: name }, name)));
  metric.replaceChildren(...data.metrics.filter((one) => used.has(one.key)).map((one) => make("option", { value: one.key }, one.label)));
  if (used.has("p95")) metric.value = "p95";
  byId("drawn").hidden = false;
  for (const control of [suite, metric]) control.addEventListener("change", draw);
  filter.addEventListener("input", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("resize", () => {
    for (const plot of charts.querySelectorAll(".plot")) echarts.getInstanceByDom(plot)?.resize();
  });
  draw();
})();
