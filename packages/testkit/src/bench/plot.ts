/** Small line charts as SVG: the same input gives the same bytes. Readable on white and on dark pages, and without colours. */

/** One chart. */
export interface Panel {
  readonly title: string;
  /** What is told along the bottom, with its unit. */
  readonly axis: string;
  /** Places of the points along the bottom. */
  readonly at: readonly number[];
  /** What is written at these places; without it, round numbers. */
  readonly labels?: readonly string[];
  /** Shares in [0, 1], or milliseconds: one list for each name of the legend. What is no number is left out. */
  readonly lines: readonly (readonly number[])[];
  /** Shares if it is not said. Milliseconds are drawn from 1 to 10,000, ten times as much with each line of the grid. */
  readonly scale?: 'shares' | 'milliseconds';
}

/**
 * Okabe and Ito's colours, which people who see colours differently can tell apart; dashes for who sees none. The first ones are wider, so that lines
 * that lie upon each other are all seen.
 */
const STYLES: readonly (readonly [colour: string, dash: string, width: number])[] = [
  ['#e69f00', '', 7],
  ['#d55e00', '6 5', 4],
  ['#0072b2', '10 3 2 3', 2.2],
  ['#009e73', '', 2.2],
  ['#cc79a7', '2 4', 3],
  ['#56b4e9', '14 4', 2.2],
  ['#999999', '2 3 8 3', 2.2],
  ['#8c5a2b', '6 2 2 2', 2.2],
];
const [WIDTH, HEIGHT, LEFT, TOP, GAP_X, GAP_Y] = [250, 170, 58, 78, 62, 92] as const;
/** Charts side by side; four make a square. */
const COLUMNS = 3;
/** Of the legend, from row to row; two rows are in what is left above the charts. */
const LEGEND_ROW = 18;
/** Names in a row of the legend, and how wide each is: of a few, or of many in two rows. */
const LEGEND = { few: { names: 4, width: 205 }, many: { names: 3, width: 300 } } as const;
/** Powers of ten of the highest line of milliseconds. */
const HIGHEST = 4;

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

function text(x: number, y: number, words: string, more = ''): string {
  return `<text x="${String(x)}" y="${String(y)}"${more}>${escape(words)}</text>`;
}

function line(points: readonly string[], style: number): string {
  const [colour, dash, width] = STYLES[style % STYLES.length] ?? ['#000', '', 2];
  const dashes = dash === '' ? '' : ` stroke-dasharray="${dash}"`;
  return `<polyline points="${points.join(' ')}" stroke="${colour}" stroke-width="${String(width)}"${dashes}/>`;
}

/** Round values along the bottom. */
function ticks(most: number): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 250, 500, 1000].find((one) => most / one <= 5) ?? most;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}

function drawPanel(panel: Panel, left: number, top: number): string[] {
  const { title, axis, at, lines, labels, scale = 'shares' } = panel;
  const most = Math.max(...at);
  const x = (value: number): number => Math.round((left + (value / most) * WIDTH) * 10) / 10;
  const y = (share: number): number => Math.round((top + (1 - share) * HEIGHT) * 10) / 10;
  const shareOf = (value: number): number =>
    scale === 'shares' ? value : Math.min(1, Math.max(0, Math.log10(value) / HIGHEST));
  const nameOf = (share: number): string =>
    scale === 'shares' ? `${String(share * 100)} %` : (10 ** (share * HIGHEST)).toLocaleString('en');
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    `<line class="grid" x1="${String(left)}" x2="${String(left + WIDTH)}" y1="${String(y(share))}" y2="${String(y(share))}"/>`,
    text(left - 6, y(share) + 4, nameOf(share), ' text-anchor="end"'),
  ]);
  const marks = (labels === undefined ? ticks(most) : at).flatMap((value, i) => [
    `<line class="tick" x1="${String(x(value))}" x2="${String(x(value))}" y1="${String(top + HEIGHT)}" y2="${String(top + HEIGHT + 4)}"/>`,
    text(x(value), top + HEIGHT + 17, labels?.[i] ?? String(value), ' text-anchor="middle"'),
  ]);
  const curves = lines.flatMap((shares, i) => {
    const [colour] = STYLES[i % STYLES.length] ?? ['#000'];
    const points = shares.flatMap((value, j) =>
      Number.isFinite(value) ? [`${String(x(at[j] ?? 0))},${String(y(shareOf(value)))}`] : [],
    );
    const dots = points.map((point) => {
      const [cx = '', cy = ''] = point.split(',');
      return `<circle cx="${cx}" cy="${cy}" r="2.6" fill="${colour}"/>`;
    });
    return [line(points, i), ...(i < 2 ? [] : dots)];
  });
  return [
    text(left, top - 10, title, ' class="title"'),
    ...grid,
    ...marks,
    text(left + WIDTH / 2, top + HEIGHT + 35, axis, ' text-anchor="middle"'),
    ...curves,
  ];
}

/** Draws charts side by side under one legend; `words`, one a line, stand where the next chart would. */
export function drawPanels(
  panels: readonly Panel[],
  names: readonly string[],
  words: readonly string[],
  heading: string,
  label: string = heading,
): string {
  const row = names.length > LEGEND.few.names ? LEGEND.many : LEGEND.few;
  const columns = panels.length === 4 ? 2 : COLUMNS;
  const rows = Math.ceil(panels.length / columns);
  const above = TOP + Math.max(0, Math.ceil(names.length / row.names) - 2) * LEGEND_ROW;
  const [width, height] = [
    LEFT + Math.max(columns * WIDTH + (columns - 1) * GAP_X + 24, row.names * row.width),
    above + rows * HEIGHT + (rows - 1) * GAP_Y + 62,
  ];
  const place = (i: number): [left: number, top: number] => [
    LEFT + (i % columns) * (WIDTH + GAP_X),
    above + 10 + Math.floor(i / columns) * (HEIGHT + GAP_Y),
  ];
  const legend = names.flatMap((name, i) => {
    const left = LEFT + (i % row.names) * row.width;
    const at = 38 + Math.floor(i / row.names) * LEGEND_ROW;
    return [
      line([`${String(left)},${String(at)}`, `${String(left + 36)},${String(at)}`], i),
      text(left + 43, at + 4, name),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(width)} ${String(height)}" width="${String(width)}" height="${String(height)}" role="img" aria-label="${escape(label)}" font-family="sans-serif" font-size="12" fill="#222">`,
    '<style>polyline{fill:none;stroke-linejoin:round}.grid{stroke:#ddd}.tick{stroke:#888}.title{font-size:14px;font-weight:bold}</style>',
    `<rect width="${String(width)}" height="${String(height)}" fill="#fff"/>`,
    text(LEFT, 20, heading, ' class="title"'),
    ...legend,
    ...panels.flatMap((panel, i) => drawPanel(panel, ...place(i))),
    ...words.map((one, i) => text(place(panels.length)[0], place(panels.length)[1] + i * 18, one)),
    '</svg>',
    '',
  ].join('\n');
}
