"use strict";
// Draws each chart from the table beside or below it: a picture shows nothing that is not in a table.
(() => {
  const canvases = Array.from(document.querySelectorAll(".canvas"));
  const drawn = new Map();

  // What tables say

  const number = (cell) => {
    const written = cell?.dataset.value ?? "";
    return written === "" ? null : Number(written.replace(/inf$/, "Infinity"));
  };
  const heads = (table) => Array.from(table.tHead.rows[0].cells, (cell) => cell.textContent.trim());
  // Each line as an object by heading; read once, so that sorting the table does not stir the chart.
  const read = (table) => {
    const names = heads(table);
    const half = Number(table.dataset.step ?? 0) / 2; // a line that stands for some seconds is drawn in their middle
    return Array.from(table.tBodies[0].rows, (row) => {
      const cells = Array.from(row.cells);
      return {
        at: row.dataset.at === undefined ? number(cells[0]) + half : Number(row.dataset.at),
        name: cells[0].textContent,
        target: names.includes("Target") ? cells[names.indexOf("Target")].textContent : "",
        measured: "measured" in row.dataset,
        text: Object.fromEntries(names.map((name, place) => [name, cells[place].textContent])),
        value: Object.fromEntries(names.map((name, place) => [name, number(cells[place])])),
      };
    });
  };
  const phaseTable = document.getElementById("phases");
  const phases = phaseTable ? read(phaseTable) : [];

  // What all charts share

  const colours = () => {
    const probe = document.createElement("span");
    document.body.append(probe);
    const found = {};
    for (const name of ["ground", "panel", "line", "faint", "ink", "soft", "now", "tail", "base", "bad", "good", "still"]) {
      probe.style.color = `var(--${name})`;
      found[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    return found;
  };
  const font = () => getComputedStyle(document.body).fontFamily;
  const finite = (values) => values.filter((value) => value !== null && Number.isFinite(value));
  const fit = (value) => (value === null || Number.isFinite(value) ? value : null);

  const figure = (value) => {
    if (value >= 1000) return Math.round(value).toLocaleString("en");
    return String(Number(value.toPrecision(3)));
  };

  // Round figures on a logarithmic axis: the coarsest series that gives at least three of them.
  const logTicks = (low, high) => {
    let inside = [];
    for (const parts of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9]]) {
      inside = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
        for (const part of parts) inside.push(Number((part * 10 ** power).toPrecision(2)));
      }
      inside = inside.filter((tick) => tick >= low && tick <= high);
      if (inside.length >= 4) return inside;
    }
    return inside;
  };

  // The tooltip is built of text nodes: names in it are untrusted.
  const tip = (title, lines) => {
    const box = document.createElement("div");
    box.className = "tip";
    const head = document.createElement("strong");
    head.textContent = title;
    box.append(head);
    for (const [label, text, css] of lines) {
      const line = document.createElement("span");
      const key = document.createElement("i");
      key.className = css;
      const said = document.createElement("b");
      said.textContent = text || "–";
      line.append(key, `${label} `, said);
      box.append(line);
    }
    return box;
  };

  const frame = (c) => ({
    animation: false,
    textStyle: { fontFamily: font(), color: c.soft },
    tooltip: {
      trigger: "axis",
      confine: true,
      backgroundColor: c.ground,
      borderColor: c.line,
      padding: 0,
      axisPointer: { type: "line", lineStyle: { color: c.soft, type: "solid", width: 1 } },
    },
    legend: {
      top: 0,
      right: 4,
      itemWidth: 18,
      itemHeight: 8,
      itemGap: 16,
      textStyle: { color: c.soft, fontSize: 12 },
      inactiveColor: c.line,
    },
  });

  const axis = (c, more) => ({
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: { color: c.soft, fontSize: 11, ...more.label },
    splitLine: { lineStyle: { color: c.faint } },
    ...more.axis,
  });

  // Response times, from the fastest to the slowest, as far apart as their ratios are.
  const scaleOf = (all) => ({ low: Math.min(...all) / 1.15, high: Math.max(...all) * 1.25 });
  const timesAxis = (c, { low, high }) => {
    const ticks = logTicks(low, high);
    return {
      type: "log",
      min: low,
      max: high,
      ...axis(c, {
        label: { customValues: ticks, formatter: (value) => `${figure(value)} ms` },
        axis: { axisTick: { show: false, customValues: ticks } },
      }),
    };
  };

  const crosses = (rows, height, c) => ({
    name: "Not met",
    type: "scatter",
    symbol: "path://M0 0L10 10M10 0L0 10",
    symbolSize: 9,
    itemStyle: { color: "transparent", borderColor: c.bad, borderWidth: 2 },
    color: c.bad,
    data: rows.map((row) => [row.at, height]),
    z: 5,
  });

  // Response times by percentile

  const distribution = (rows, c) => {
    const some = (name) => rows.some((row) => row.value[name] !== null && row.value[name] !== undefined);
    const points = (name) => rows.map((row) => [row.at, fit(row.value[name] ?? null)]);
    const all = finite(rows.flatMap((row) => ["Baseline", "Now", "Allowed"].map((name) => row.value[name] ?? null)));
    if (!all.length) return null;
    const scale = scaleOf(all);
    const places = rows.filter((row) => /^(p50|p90|p99|p99\.9|p99\.99|slowest)$/.test(row.name));
    const last = rows.at(-1).at;
    const labelled = places.filter((row) => row.name === "slowest" || last - row.at > 0.45);
    const line = (name, colour, more) => ({
      name,
      type: "line",
      data: points(name),
      symbolSize: 6,
      color: colour,
      lineStyle: { width: 2, ...more.line },
      emphasis: { disabled: true },
      ...more.series,
    });
    const lost = rows.filter((row) => row.value.Now === Infinity);
    const series = [line("Now", c.now, { line: {}, series: { symbol: "circle", z: 3 } })];
    if (some("Baseline")) {
      // Few of the baseline's percentiles are known: what lies between two of them is only a guide for the eye.
      series.unshift(line("Baseline", c.base, { line: { type: [5, 4] }, series: { symbol: "emptyCircle", connectNulls: true } }));
    }
    if (some("Allowed")) {
      series.push({ name: "Allowed", type: "scatter", symbol: "rect", symbolSize: [22, 3], color: c.bad, data: points("Allowed"), z: 4 });
    }
    if (lost.length) series.push(crosses(lost, scale.high, c));
    return {
      ...frame(c),
      grid: { left: 58, right: 26, top: 34, bottom: 26 },
      xAxis: {
        type: "value",
        min: 0,
        max: last,
        ...axis(c, {
          label: {
            customValues: labelled.map((row) => row.at),
            formatter: (at) => labelled.find((row) => Math.abs(row.at - at) < 1e-6)?.name ?? "",
          },
          axis: { axisTick: { show: false, customValues: labelled.map((row) => row.at) } },
        }),
      },
      yAxis: timesAxis(c, scale),
      tooltip: {
        ...frame(c).tooltip,
        formatter: (found) => {
          const row = rows.find((one) => one.at === found[0].value[0]);
          const css = { Baseline: "base", Now: "now", Allowed: "bad" };
          const told = ["Baseline", "Now", "Allowed"].filter((name) => row.text[name]);
          return tip(row.name, told.map((name) => [name, row.text[name], css[name]]));
        },
      },
      series,
    };
  };

  // The run over time

  const areas = (c, short) => {
    const data = phases.map((phase) => {
      const tint = phase.measured ? c.now : c.still;
      const label = [phase.text.What, phase.target].filter((word) => word && word !== "measured").join(" ");
      return [
        {
          xAxis: phase.value.From,
          name: short || phases.length > 6 ? "" : label,
          itemStyle: { color: tint, opacity: phase.measured ? (phase.target === "candidate" ? 0.09 : 0) : 0.16 },
        },
        { xAxis: phase.value.To },
      ];
    });
    return { silent: true, label: { color: c.soft, fontSize: 11, position: "insideTopLeft", distance: 6 }, data };
  };

  // Where two targets take turns each has a line of its own, with gaps while the other is at work.
  const split = (rows, name, colour, c, style) => {
    const make = (title, kept, own) => ({
      name: title,
      type: style.type ?? "line",
      showSymbol: rows.length < 3,
      symbol: "circle",
      symbolSize: 4,
      barCategoryGap: "10%",
      color: own,
      lineStyle: { width: 1.6, type: style.line },
      areaStyle: style.area ? { opacity: 0.12 } : undefined,
      emphasis: { disabled: true },
      data: rows.map((row) => [row.at, kept(row) ? fit(row.value[name]) : null]),
    });
    const targets = [...new Set(rows.map((row) => row.target).filter(Boolean))];
    if (targets.length < 2) return [make(name, () => true, colour)];
    return targets.map((target) =>
      make(`${name} ${target}`, (row) => row.target === target, target === "base" ? c.base : colour),
    );
  };

  // Seconds in which a percentile was not met have no height: they are marked above everything else.
  const unmet = (rows, names, c) => {
    const lost = rows.filter((row) => names.some((name) => row.value[name] === Infinity));
    const top = Math.max(0, ...finite(rows.flatMap((row) => names.map((name) => row.value[name]))));
    return lost.length ? [crosses(lost, top * 1.08 || 1, c)] : [];
  };

  const overTime = (rows, c, series, options) => {
    const ends = phases.flatMap((phase) => [phase.value.From, phase.value.To]);
    const last = Math.max(...rows.map((row) => row.at), ...ends);
    // A long warm-up of which nothing was kept does not push the rest aside.
    const first = Math.min(...rows.map((row) => row.at), Math.max(Math.min(0, ...ends), -last / 4));
    const shown = frame(c);
    series[0].markArea = areas(c, options.short);
    return {
      ...shown,
      legend: { ...shown.legend, show: series.length > 1 },
      grid: { left: 58, right: 26, top: 34, bottom: 26 },
      xAxis: {
        type: "value",
        min: first,
        max: last,
        containShape: false,
        ...axis(c, { label: { formatter: (at) => `${at} s`, hideOverlap: true, showMinLabel: first === 0 }, axis: {} }),
        splitLine: { show: false },
        axisLine: { show: true, onZero: false, lineStyle: { color: c.line } },
      },
      yAxis: {
        type: "value",
        min: 0,
        splitNumber: options.short ? 3 : 4,
        minInterval: options.whole ? 1 : 0,
        ...axis(c, { label: { formatter: (value) => `${figure(value)}${options.unit}` }, axis: {} }),
      },
      tooltip: {
        ...shown.tooltip,
        formatter: (found) => {
          const row = rows.find((one) => one.at === found[0].value[0]);
          if (!row) return "";
          return tip(
            [`second ${row.name}`, row.target].filter(Boolean).join(", "),
            options.told.map(([name, css]) => [name, row.text[name], css]),
          );
        },
      },
      series,
    };
  };

  const told = [["p50", "now"], ["p95", "tail"], ["Requests", "still"], ["Failures", "bad"]];
  const used = [["CPU", "now"], ["Memory", "tail"]];
  const times = (rows, c) => {
    const lines = [...split(rows, "p50", c.now, c, {}), ...split(rows, "p95", c.tail, c, { line: rows.some((row) => row.target) ? [3, 2] : "solid" })];
    return overTime(rows, c, [...lines, ...unmet(rows, ["p50", "p95"], c)], { unit: " ms", told });
  };
  const small = (name, colour, style, options) => (rows, c) =>
    overTime(rows, c, split(rows, name, c[colour], c, style), { unit: "", short: true, ...options });

  // Response times against what was answered, level by level

  const levels = (rows, c) => {
    const known = rows.filter((row) => row.value.Successes !== null && row.value.p50 !== null);
    const sorted = known.slice().sort((a, b) => a.value.Successes - b.value.Successes);
    const all = finite(sorted.flatMap((row) => [row.value.p50, row.value.p95]));
    if (sorted.length < 2 || !all.length) return null;
    const scale = scaleOf(all);
    const line = (name, colour) => ({
      name,
      type: "line",
      symbol: "circle",
      symbolSize: 7,
      color: colour,
      lineStyle: { width: 2 },
      emphasis: { disabled: true },
      data: sorted.map((row) => [row.value.Successes, fit(row.value[name])]),
    });
    const shown = frame(c);
    return {
      ...shown,
      grid: { left: 58, right: 26, top: 34, bottom: 26 },
      xAxis: {
        type: "value",
        min: 0,
        ...axis(c, { label: { formatter: (at) => `${figure(at)}/s` }, axis: {} }),
        splitLine: { show: false },
        axisLine: { show: true, onZero: false, lineStyle: { color: c.line } },
      },
      yAxis: timesAxis(c, scale),
      tooltip: {
        ...shown.tooltip,
        formatter: (found) => {
          const row = sorted.find((one) => one.value.Successes === found[0].value[0]);
          return tip(row.name, [["Successes", "still"], ["p50", "now"], ["p95", "tail"]].map(([name, css]) => [name, row.text[name], css]));
        },
      },
      series: [line("p50", c.now), line("p95", c.tail)],
    };
  };
  const kinds = {
    distribution,
    levels,
    times,
    load: small("Requests", "now", { area: true }, { told, whole: true }),
    failed: small("Failures", "bad", { type: "bar" }, { told, whole: true }),
    cpu: small("CPU", "now", { area: true }, { told: used }),
    memory: small("Memory", "tail", { area: true }, { told: used }),
  };

  // When they are drawn

  const rowsOf = new Map();
  const options = (canvas) => {
    const table = document.getElementById(canvas.dataset.table);
    if (!rowsOf.has(table)) rowsOf.set(table, read(table));
    return kinds[canvas.dataset.chart](rowsOf.get(table), colours());
  };

  const draw = (canvas) => {
    if (drawn.has(canvas) || !canvas.clientWidth) return;
    const found = options(canvas);
    if (!found) {
      canvas.classList.add("empty");
      return;
    }
    const chart = echarts.init(canvas, null, { renderer: "svg" });
    chart.setOption(found);
    if (canvas.dataset.chart !== "distribution") chart.group = canvas.dataset.table;
    drawn.set(canvas, chart);
  };
  const redraw = () => drawn.forEach((chart, canvas) => chart.setOption(options(canvas), true));

  // A page of fifty endpoints draws those that come into sight.
  const seen = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)),
    { rootMargin: "300px" },
  );
  const sized = new ResizeObserver((entries) => {
    for (const { target } of entries) if (target.clientWidth) drawn.get(target)?.resize();
  });
  for (const canvas of canvases) {
    seen.observe(canvas);
    sized.observe(canvas);
  }
  for (const table of new Set(canvases.map((canvas) => canvas.dataset.table))) echarts.connect(table);

  addEventListener("theme", redraw);
  // Paper is light, and nobody scrolls it.
  const root = document.documentElement;
  let chosen;
  addEventListener("beforeprint", () => {
    chosen = root.dataset.theme;
    root.dataset.theme = "light";
    canvases.forEach(draw);
    redraw();
  });
  addEventListener("afterprint", () => {
    if (chosen) root.dataset.theme = chosen;
    else delete root.dataset.theme;
    redraw();
    drawn.forEach((chart) => chart.resize());
  });
})();
