/** Draws tables and prose in Markdown, as `deno fmt` would. */

/** Columns are padded as `deno fmt` would, so that formatting the file changes nothing. */
export function markdownTable(header: readonly string[], body: readonly (readonly string[])[]): string {
  const lines = [header, ...body].map((line) => line.map((cell) => cell.replace(/\s+/g, " ").replaceAll("|", "\\|")));
  const widths = header.map((_, column) => Math.max(3, ...lines.map((line) => [...line[column] ?? ""].length)));
  const drawn = lines.map((line) => `| ${widths.map((width, column) => pad(line[column] ?? "", width)).join(" | ")} |`);
  return [drawn[0], `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...drawn.slice(1)].join("\n");
}

function pad(text: string, width: number): string {
  return text + " ".repeat(width - [...text].length);
}

/** Prose in lines of at most 120 characters, as `deno fmt` breaks it. */
export function wrapped(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= 120) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}
