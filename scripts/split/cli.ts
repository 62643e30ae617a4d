import { Command } from 'commander';
import { openMove, status, type Move, type ServicePlan, type Verbs } from '#decomposition';
import { type Env } from '../stack/apps.js';
import { onStopRequest } from '../stack/signals.js';
import { confirm } from './confirm.js';
import { CANNOT, DONE, failureOf, INTERRUPTED, type Failure } from './failure.js';
import { openStreamOf } from './open-stream.js';
import * as option from './options.js';
import { TerminalProgress } from './progress.js';
import { chosenServices, readPlan } from './read-plan.js';
import { rehearse } from './rehearsal.js';
import { type Context, type MoveContext, type MoveVerb, type Options, type Outcome, type Verb } from './verb.js';
import { VERBS } from './verbs.js';

export interface Surroundings {
  env: Env;
  library: Partial<Verbs>;
  input: NodeJS.ReadStream;
  output: NodeJS.WritableStream;
  errors: NodeJS.WriteStream;
}

const CODES =
  '\nExit code 0: done; 1: refused, or something was found, which is named; 2: it could not be done; 130: interrupted, run it again.';

/** @returns the exit code. @throws CommanderError for bad usage, which has been told */
export async function split(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const program = new Command('split')
    .description('Takes services from one shared PostgreSQL database to one each, without downtime, and back.')
    .addHelpText('after', CODES)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => surroundings.output.write(text),
      writeErr: (text) => surroundings.errors.write(text),
    });
  let code = CANNOT;
  for (const verb of VERBS)
    program.addCommand(
      commandOf(verb)
        .copyInheritedSettings(program)
        .action(async (options: Options) => {
          code = await new SplitRun(verb, options, surroundings).run();
        }),
    );
  await program.parseAsync(args, { from: 'user' });
  return code;
}

function commandOf({ name, summary, steps, scope, options = () => [] }: Verb): Command {
  const command = new Command(name)
    .summary(summary)
    .description(`${summary}\n\n${steps.map((s) => `- ${s}`).join('\n')}`);
  const common = scope === 'none' ? [] : [option.PLAN(), option.SERVICE(), option.ALL()];
  for (const one of [...common, ...options(), option.DRY_RUN(), option.JSON_OUT()]) command.addOption(one);
  return command.addHelpText('after', CODES);
}

type Answer = Outcome | Failure;

/** One verb, from what was typed to the exit code. */
class SplitRun {
  private readonly stopping = new AbortController();
  private readonly progress: TerminalProgress;
  private readonly opened: Move[] = [];

  constructor(
    private readonly verb: Verb,
    private readonly options: Options,
    private readonly surroundings: Surroundings,
  ) {
    this.progress = new TerminalProgress(surroundings.errors);
  }

  async run(): Promise<number> {
    const ended = onStopRequest(
      () => this.stopping.abort(),
      () => process.exit(INTERRUPTED),
    );
    const answers: [string | null, Answer][] = [];
    try {
      for await (const answer of this.answers()) answers.push(answer);
    } catch (error) {
      answers.push([null, failureOf(error, this.stopping.signal.aborted)]);
    } finally {
      this.progress.end();
      await Promise.all(this.opened.map((move) => move.close()));
      ended();
    }
    return this.tell(answers);
  }

  /** Of each service, or one of all. Nothing comes after one that failed. */
  private async *answers(): AsyncGenerator<[string | null, Answer]> {
    const { verb, options, surroundings } = this;
    const { env, library } = surroundings;
    const say = (line: string): void => void surroundings.output.write(`${line}\n`);
    const context: Context = { options, env, library, progress: this.progress, signal: this.stopping.signal, say };
    if (verb.scope === 'none') {
      yield [null, options.dryRun ? stepsOf(verb) : await verb.run(context)];
      return;
    }
    const plan = await readPlan(options.plan, env);
    const services = chosenServices(plan, options.service, options.all || verb.scope === 'plan');
    const open = (service: ServicePlan): Move => {
      const { progress, signal } = context;
      const move = openMove(plan, service.name, { progress, signal });
      this.opened.push(move);
      return move;
    };
    if (verb.scope === 'plan') {
      const rehearsed = options.dryRun && !verb.harmless;
      yield [null, rehearsed ? stepsOf(verb) : await verb.run({ ...context, plan, services, open })];
      return;
    }
    for (const service of services) {
      const answer = await this.ofService(verb, { ...context, plan }, open(service));
      yield [service.name, answer];
      if (!('lines' in answer) || answer.code !== DONE) return;
    }
  }

  private async ofService(verb: MoveVerb, context: Omit<MoveContext, 'move'>, move: Move): Promise<Answer> {
    const { options, surroundings } = this;
    const { signal } = context;
    const { name } = move.service;
    try {
      if (options.dryRun && !verb.rehearses) return await rehearse(verb, { ...context, move });
      const danger = options.dryRun ? undefined : verb.danger?.(options);
      if (danger !== undefined)
        await confirm(name, danger, {
          yes: options.yes,
          input: surroundings.input,
          output: surroundings.errors,
          signal,
        });
      const outcome = await verb.run({ ...context, move });
      return options.json || options.dryRun || outcome.code !== DONE
        ? outcome
        : await this.withNext(outcome, context, move);
    } catch (error) {
      return failureOf(error, signal.aborted);
    }
  }

  /** What is to be typed next; nothing where that is not known. */
  private async withNext(outcome: Outcome, { library, options }: Context, move: Move): Promise<Outcome> {
    if (!library.openStream) return outcome;
    const { next, blocks } = await status(move, { openStream: openStreamOf(library) });
    if (next === null || blocks.length > 0) return outcome;
    const [verb, ...rest] = next.split(' ');
    const line = ['npm run split --', verb, '--plan', options.plan, '--service', move.service.name, ...rest].join(' ');
    return { ...outcome, lines: [...outcome.lines, `Next: ${line}`] };
  }

  private tell(answers: readonly [string | null, Answer][]): number {
    const { options, verb, surroundings } = this;
    const exitCode = answers.reduce((code, [, answer]) => Math.max(code, codeOf(answer)), DONE);
    if (!options.json) {
      for (const [service, answer] of answers) this.print(service, answer);
      return exitCode;
    }
    // Of a watch each event was a line.
    if (verb.name === 'watch' && exitCode === DONE) return exitCode;
    const reports = answers.map(
      ([service, answer]) => [service, 'lines' in answer ? answer.report : { error: answer }] as const,
    );
    const services = Object.fromEntries(
      reports.flatMap(([service, report]) => (service === null ? [] : [[service, report]])),
    );
    const whole = reports.find(([service]) => service === null)?.[1];
    const head = { verb: verb.name, exit_code: exitCode, ...(options.dryRun && { dry_run: true }) };
    const body = { ...(verb.scope === 'service' && { services }), ...whole };
    const indent = verb.name === 'watch' ? 0 : 2;
    surroundings.output.write(`${JSON.stringify({ ...head, ...body }, undefined, indent)}\n`);
    return exitCode;
  }

  private print(service: string | null, answer: Answer): void {
    const { output, errors } = this.surroundings;
    if ('lines' in answer) {
      const prefix = service === null ? '' : `${service}: `;
      for (const line of answer.lines) output.write(`${prefix}${line}\n`);
    } else for (const line of [answer.message, answer.next]) if (line !== undefined) errors.write(`${line}\n`);
  }
}

function stepsOf({ steps }: Verb): Outcome {
  return { code: DONE, lines: steps.map((step, i) => `would ${i + 1}. ${step}`), report: { steps } };
}

function codeOf(answer: Answer): number {
  return 'lines' in answer ? answer.code : answer.exitCode;
}
