import { z } from 'zod';
import { type Database, isStorable } from '../platform/database.ts';
import { AppError } from '../platform/errors.ts';

/** Owns posts: anyone with the scope reads them, their author alone changes them. */

export type Post = { id: string; title: string; body: string; author: string };

const text = (max: number) => z.string().trim().min(1).max(max).refine(isStorable);

// A post may be a title alone: an absent or empty body is stored as an empty text.
const draft = z.object({ title: text(200), body: text(20_000).or(z.literal('')).default('') });

/** @throws AppError 400 for anything but a title and, where it has one, a body. */
export function parsePost(input: unknown): z.infer<typeof draft> {
  const parsed = draft.safeParse(input);
  if (!parsed.success)
    throw new AppError('invalid_post', { status: 400, reason: parsed.error.issues.map(({ path }) => path.join('.')).join(',') });
  return parsed.data;
}

export function createPosts({ prisma }: Database) {
  const wire = ({ id, title, body, authorId }: { id: string; title: string; body: string; authorId: string }): Post => ({
    id,
    title,
    body,
    author: authorId,
  });

  /** Tells a post that is not there from one that is somebody else's: everyone may read it, so its existence is no secret. */
  async function refusal(id: string): Promise<AppError> {
    const exists = await prisma.post.count({ where: { id } });
    return exists ? new AppError('not_the_author', { status: 403 }) : new AppError('not_found', { status: 404 });
  }

  return {
    async list(): Promise<Post[]> {
      return (await prisma.post.findMany({ orderBy: { id: 'desc' }, take: 100 })).map(wire);
    },
    async create(author: string, post: z.infer<typeof draft>): Promise<Post> {
      return wire(await prisma.post.create({ data: { ...post, authorId: author } }));
    },
    /** @throws AppError 404, or 403 for another's post. */
    async replace(id: string, author: string, post: z.infer<typeof draft>): Promise<Post> {
      // One statement checks the author and makes the change, so the post cannot get another author in between.
      const [changed] = await prisma.post.updateManyAndReturn({ where: { id, authorId: author }, data: post });
      if (!changed) throw await refusal(id);
      return wire(changed);
    },
    async remove(id: string, author: string): Promise<void> {
      const { count } = await prisma.post.deleteMany({ where: { id, authorId: author } });
      if (!count) throw await refusal(id);
    },
  };
}
