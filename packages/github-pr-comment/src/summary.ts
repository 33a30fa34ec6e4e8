/** What happened in a session, as far as its events told. */
export interface Work {
  files: string[];
  totalCost: number;
  models: string[];
}

/** The comment's first line. It is invisible, and finds the comment again at the next session's end. */
export const MARKER = '<!-- mimir-plugin-github-pr-comment -->';

const MAX_FILES = 30;
const MAX_SUMMARY = 4_000;

export function render(work: Work, messages: readonly unknown[]): string {
  const lines = [
    MARKER,
    '### Mimir session',
    '',
    closingWords(messages) || '_The session ended without a summary._',
    '',
  ];
  if (work.files.length > 0) {
    lines.push(
      `<details><summary>${work.files.length} ${work.files.length === 1 ? 'file' : 'files'} changed</summary>`,
      '',
    );
    for (const file of work.files.slice(0, MAX_FILES)) lines.push(`- \`${file.replaceAll('`', "'")}\``);
    if (work.files.length > MAX_FILES) lines.push(`- … and ${work.files.length - MAX_FILES} more`);
    lines.push('', '</details>', '');
  }
  if (work.totalCost > 0)
    lines.push(
      `Cost: $${work.totalCost.toFixed(2)}${work.models.length > 0 ? ` (${work.models.join(', ')})` : ''}`,
      '',
    );
  return lines.join('\n').trimEnd() + '\n';
}

/** The last thing that the assistant said. Mentions are defused, so that a summary notifies nobody. */
function closingWords(messages: readonly unknown[]): string {
  for (const message of messages.toReversed()) {
    const { role, content } = (message ?? {}) as { role?: unknown; content?: unknown };
    if (role !== 'assistant') continue;
    const text = textOf(content).trim();
    if (text === '') continue;
    const cut = text.length > MAX_SUMMARY ? `${text.slice(0, MAX_SUMMARY)} …` : text;
    return cut.replace(/(^|[^\w`/])@(?=[A-Za-z\d])/g, '$1@\u200b').replaceAll('<!--', '&lt;!--');
  }
  return '';
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part: { type?: unknown; text?: unknown } | null) =>
      part?.type === 'text' && typeof part.text === 'string' ? part.text : '',
    )
    .join('');
}
