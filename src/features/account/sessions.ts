import { endSession, listSessions } from '../../oauth/store/signed-in-browsers.ts';
import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import { backTo, type OwnPage, recordOwnEvent, show } from '../../pages/own-pages.ts';
import { isStorable, Prisma, type Statement } from '../../platform/database.ts';

/**
 * Owns the list of browsers in which a user is signed in, and the end of other sessions. Access that a client has only while the user is
 * signed in ends with the session.
 */

export const sessions: OwnPage = {
  async show(visit) {
    const { account, app, session } = visit;
    const rows = await listSessions(app.database, account.id);
    const browsers = rows.map(({ uid, browser, address, created_at, used_at }) => ({
      uid,
      browser,
      address,
      since: created_at,
      usedAt: used_at,
      here: uid === session.uid,
    }));
    show(visit, 'account/sessions', { browsers: browsers.sort((one, other) => Number(other.here) - Number(one.here)) });
  },

  /** `session` names one session, `others` means all but this one. The sign-out page ends this session. */
  async submit(visit, form) {
    const { account, app, session } = visit;
    const uid = form.get('session') ?? '';
    const ended = form.has('others')
      ? await writeTogether(app.database, [
          { purpose: 'end', once: true, statement: endOtherSessions(account.id, session.uid) },
          { purpose: 'keep', statement: recordOwnEvent(visit, 'other_sessions_ended') },
        ])
      : isStorable(uid) &&
        uid !== session.uid &&
        (await writeTogether(app.database, [
          { purpose: 'end', once: true, statement: endSession(account.id, uid) },
          { purpose: 'keep', statement: recordOwnEvent(visit, 'session_ended') },
        ]));
    backTo(visit, '/account/sessions', ended);
  },
};

/** Ends all sessions of a user except one. @param uid of the session that the user is using. */
function endOtherSessions(accountId: string, uid: string): Statement {
  return Prisma.sql`delete from session where account_id = ${accountId} and uid <> ${uid}`;
}
