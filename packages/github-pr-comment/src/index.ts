import type { Plugin } from '@mimir/plugin';

import { connect } from './github.ts';
import { MARKER, render, type Work } from './summary.ts';

export interface Options {
  /** The branch whose pull request gets the comment. Without it the one that is checked out. */
  branch?: string;
  /** Whether the same comment is updated at each session's end, instead of adding one. */
  update: boolean;
}

const DEFAULTS: Options = { update: true };

const githubPrComment: Plugin = async (ctx) => {
  const options: Options = { ...DEFAULTS, ...(ctx.config.options as Partial<Options> | undefined) };
  const works = new Map<string, Work>();

  const workOf = (sessionId: string): Work => {
    const work = works.get(sessionId) ?? { files: [], totalCost: 0, models: [] };
    works.set(sessionId, work);
    return work;
  };

  /** The branch that is checked out, or nothing where `HEAD` is on none. */
  const currentBranch = async (): Promise<string | undefined> => {
    if (options.branch) return options.branch;
    const { exitCode, stdout, stderr } = await ctx.exec('git', ['branch', '--show-current']);
    if (exitCode !== 0) throw new Error(`git could not say which branch this is: ${stderr.trim()}`);
    return stdout.trim() || undefined;
  };

  return {
    on: {
      'file.modified': async ({ sessionId, path }) => {
        const { files } = workOf(sessionId);
        if (!files.includes(path)) files.push(path);
      },

      'cost.updated': async ({ sessionId, totalCost, model }) => {
        const work = workOf(sessionId);
        work.totalCost = totalCost;
        if (!work.models.includes(model)) work.models.push(model);
      },

      'session.completed': async ({ sessionId }) => {
        const { GITHUB_TOKEN: token, GITHUB_REPOSITORY: repository } = process.env;
        if (!token || !repository) {
          ctx.log.info(`nothing posted: ${token ? 'GITHUB_REPOSITORY' : 'GITHUB_TOKEN'} is not set`);
          return;
        }
        if (!/^[\w.-]+\/[\w.-]+$/.test(repository))
          throw new Error(`GITHUB_REPOSITORY is not of the form owner/name: ${repository}`);

        const branch = await currentBranch();
        if (!branch) return ctx.log.info('nothing posted: no branch is checked out');
        const github = connect(repository, token);
        const pullRequest = await github.pullRequestOf(branch);
        if (!pullRequest) return ctx.log.info(`nothing posted: ${branch} has no open pull request`);

        const body = render(workOf(sessionId), await ctx.session.messages());
        const earlier = options.update ? await github.findComment(pullRequest.number, MARKER) : undefined;
        const comment = earlier
          ? await github.updateComment(earlier.id, body)
          : await github.createComment(pullRequest.number, body);
        ctx.log.info(`${earlier ? 'updated' : 'posted'} ${comment.html_url}`);
      },
    },
  };
};

export default githubPrComment;
