/** The little of GitHub's REST API that a comment needs: https://docs.github.com/rest/issues/comments */
export interface GitHub {
  /** The open pull request of a branch of this repository, if there is one. */
  pullRequestOf(branch: string): Promise<{ number: number } | undefined>;
  /** The first comment whose text starts with `marker`. */
  findComment(pullRequest: number, marker: string): Promise<{ id: number } | undefined>;
  createComment(pullRequest: number, body: string): Promise<{ html_url: string }>;
  updateComment(id: number, body: string): Promise<{ html_url: string }>;
}

const API = 'https://api.github.com';
const PAGE = 100;
const MAX_PAGES = 10;

export function connect(repository: string, token: string): GitHub {
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${API}/repos/${repository}${path}`, {
      method,
      headers: {
        accept: 'application/vnd.github+json',
        authorization: `Bearer ${token}`,
        ...(body && { 'content-type': 'application/json' }),
        'x-github-api-version': '2022-11-28',
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const answer: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw new Error(explain(response.status, repository, answer));
    return answer;
  };

  return {
    async pullRequestOf(branch) {
      const owner = repository.split('/')[0]!;
      const found = await call('GET', `/pulls?state=open&head=${encodeURIComponent(`${owner}:${branch}`)}`);
      return (found as { number: number }[])[0];
    },
    async findComment(pullRequest, marker) {
      for (let page = 1; page <= MAX_PAGES; page += 1) {
        const comments = await call('GET', `/issues/${pullRequest}/comments?per_page=${PAGE}&page=${page}`);
        const list = comments as { id: number; body?: string }[];
        const found = list.find(({ body }) => body?.startsWith(marker));
        if (found || list.length < PAGE) return found;
      }
      return undefined;
    },
    async createComment(pullRequest, body) {
      return (await call('POST', `/issues/${pullRequest}/comments`, { body })) as { html_url: string };
    },
    async updateComment(id, body) {
      return (await call('PATCH', `/issues/comments/${id}`, { body })) as { html_url: string };
    },
  };
}

function explain(status: number, repository: string, answer: unknown): string {
  const said = (answer as { message?: unknown } | undefined)?.message;
  const detail = typeof said === 'string' ? `: ${said}` : '';
  if (status === 401) return `GitHub does not accept GITHUB_TOKEN${detail}`;
  if (status === 403 || status === 429)
    return `GitHub refused: the token may lack \`pull_requests: write\`, or too many requests were made${detail}`;
  if (status === 404) return `GitHub knows no repository ${repository}, or the token may not see it${detail}`;
  return `GitHub answered ${status}${detail}`;
}
