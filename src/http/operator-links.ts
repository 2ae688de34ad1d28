import type { Context, Next } from 'koa';

/** Owns the operator's links on every page: the terms, the privacy policy, and help. */

type Pages = { termsUrl: string | undefined; privacyUrl: string | undefined; supportUrl: string | undefined };

export type OperatorLink = { words: string; href: string | undefined };

export const operatorLinksOf = ({ termsUrl, privacyUrl, supportUrl }: Pages): OperatorLink[] =>
  [
    { words: 'operator.terms', href: termsUrl },
    { words: 'operator.privacy', href: privacyUrl },
    { words: 'operator.support', href: supportUrl },
  ].filter(({ href }) => href !== undefined);

/** Must run before every part that renders a page, including errors. */
export function operatorLinks(pages: Pages) {
  const links = operatorLinksOf(pages);
  return (ctx: Context, next: Next) => {
    ctx.state.operatorLinks = links;
    return next();
  };
}
