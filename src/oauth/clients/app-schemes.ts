import { REGISTERED_SCHEMES } from './registered-schemes.ts';

/**
 * Owns the question whether a URI scheme can be an app's own, so that a response sent there opens that app (RFC 8252 section 7.1).
 * A browser or operating system that handles the scheme itself could run code, open a file or leak the authorization code.
 */

/** Schemes that a browser or an operating system handles itself, and that IANA's list does not contain. */
const ACTED_ON = new Set(
  [
    // Browsers: code, internal pages, and opening another browser.
    'javascript livescript mocha jscript vbscript vbs ecmascript',
    'mhtml its mk wyciwyg devtools isolated-app externalfile ddgquicklink',
    'edge brave opera vivaldi firefox firefox-focus googlechrome googlechromes duckduckgo x-web-search read',
    // Android and ChromeOS.
    'intent android-app android.resource package mmsto smsto voicemail google.navigation google.streetview cros-apps',
    // Apple's systems.
    'itmss itms-apps itms-appss itms-beta itms-services itms-books itms-bookss facetime-audio facetime-prompt map maps-app prefs app-prefs',
    'shortcuts workflow siri music musics podcast podcasts pcast feeds videos videos-redirect photos photos-redirect imessage calshow',
    'addressbook applescript help macappstore macappstores webcals x-man-page x-help-script x-help-topic mobilenotes mobilephone telprompt',
    // Windows.
    'search search-ms shell wscript hcp mshelp bingmaps bingnews bingweather windowsdefender microsoft-edge microsoft-edge-holographic',
    'xbox zune zunevideo insiderhub tn5250 rlogin ldapi disk drive cmd powershell',
    // Linux desktops.
    'appstream snap flatpak man ghelp trash recent admin computer network burn mtp gphoto2 davs cifs dns-sd dav+sd davs+sd',
    // Protocols that operating systems and browsers open.
    'ftps ftpes sshfs ssh+git git+ssh svn+ssh rdp rlogin tns jdbc odbc file+ssh',
  ].flatMap((line) => line.split(' ')),
);

/**
 * Families of such schemes. Any website may register itself for `web+`, and any browser extension for `ext+`
 * (HTML section 8.9.1.3).
 */
const ACTED_ON_FAMILIES =
  /^(ms-|microsoft[.-]|windows-|web\+|ext\+|x-apple|apple-|com\.apple\.|chrome-|edge-|opera-|brave-|vivaldi-|moz-|safari-|webkit-|x-webkit-|android\.|itms-)/;

/**
 * @param scheme in lower case, without the colon.
 * @returns whether it can be an app's own. It needs two letters or more, since one letter is a drive on Windows.
 */
export function isAppScheme(scheme: string): boolean {
  if (scheme.length < 2 || ACTED_ON.has(scheme) || REGISTERED_SCHEMES.has(scheme)) return false;
  return !ACTED_ON_FAMILIES.test(scheme);
}
