/* What the scripts of tests/lib/thunderbird.py have at hand. They run in Thunderbird's main window with the rights of its own code; where its window has
 * a command for something (delete, move, mark, send), that command is what is used. */
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");

/* Waits until what() is true and returns it. */
async function until(what, seconds = 30, instead = () => "") {
    for (const end = Date.now() + seconds * 1000; ; ) {
        const r = await what();
        if (r) return r;
        if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}; ${instead()}`);
        await new Promise((go) => window.setTimeout(go, 20));
    }
}

/* Settings */

function trust(der, port) {
    const certificate = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).constructX509FromBase64(der);
    Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService).rememberValidityOverride("localhost", port, {}, certificate, false);
}
async function remember(origin, user, password) {
    const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
    login.init(origin, null, origin, user, password, "", "");
    await Services.logins.addLoginAsync(login);
}

/* Folders, by the names they have on the server, and their letters, by subject */

const server = MailServices.accounts.accounts.map((a) => a.incomingServer).find((s) => s.type == "imap");
const identity = MailServices.accounts.defaultAccount.defaultIdentity;

const onlineName = (f) => f.QueryInterface(Ci.nsIMsgImapMailFolder).onlineName;
const folders = () => server.rootFolder.descendants.map(onlineName).sort();
function folder(name) {
    const f = server.rootFolder.descendants.find((d) => onlineName(d) == name);
    if (!f) throw new Error(`no ${name} among ${folders()}`);
    return f;
}
const letters = (name) => [...folder(name).messages];
const subject = (m) => (m.flags & Ci.nsMsgMessageFlags.HasRe ? "Re: " : "") + m.mime2DecodedSubject;
const subjects = (name) => letters(name).map(subject).sort();
function letter(name, wanted) {
    const m = letters(name).find((h) => subject(h) == wanted);
    if (!m) throw new Error(`no ${wanted} in ${name}, but ${subjects(name)}`);
    return m;
}
/* {subject: [flags as IMAP names them]} */
function flags(name) {
    const found = {};
    for (const m of letters(name)) {
        const set = m.getStringProperty("keywords").split(" ").filter((k) => k);
        if (m.isRead) set.push("\\Seen");
        if (m.isFlagged) set.push("\\Flagged");
        if (m.flags & Ci.nsMsgMessageFlags.Replied) set.push("\\Answered");
        if (m.flags & Ci.nsMsgMessageFlags.IMAPDeleted) set.push("\\Deleted");
        if (m.flags & Ci.nsMsgMessageFlags.Forwarded) set.push("$Forwarded");
        found[subject(m)] = set.sort();
    }
    return found;
}
/* Calls start(listener) and waits for the URL that it begins to end. */
function url(start) {
    return new Promise((good, bad) => {
        start({
            QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
            OnStartRunningUrl() {},
            OnStopRunningUrl(u, status) {
                if (Components.isSuccessCode(status)) good();
                else bad(new Error(`${u?.spec}: 0x${(status >>> 0).toString(16)}`));
            },
        });
    });
}
const update = (name) => folder(name).updateFolder(window.msgWindow);
async function made(parent, name) {
    folder(parent).createSubfolder(name, window.msgWindow);
    await until(() => folders().includes(`${parent}/${name}`));
}
const emptied = () => url((l) => folder("Trash").emptyTrash(l));
/* The letter as the server has it, in base64. */
function source(name, wanted) {
    const m = letter(name, wanted), uri = m.folder.getUriForMsg(m);
    return new Promise((good, bad) => {
        MailServices.messageServiceFromURI(uri).streamMessage(uri, {
            QueryInterface: ChromeUtils.generateQI(["nsIStreamListener", "nsIRequestObserver"]),
            text: "",
            onStartRequest() {},
            onDataAvailable(_, stream, __, n) {
                const from = Cc["@mozilla.org/binaryinputstream;1"].createInstance(Ci.nsIBinaryInputStream);
                from.setInputStream(stream);
                this.text += String.fromCharCode(...from.readByteArray(n));
            },
            onStopRequest(_, status) {
                if (Components.isSuccessCode(status)) good(btoa(this.text));
                else bad(new Error(`${uri}: 0x${(status >>> 0).toString(16)}`));
            },
        }, null, null, false, "");
    });
}

/* The window */

const pane = () => document.getElementById("tabmail")?.currentAbout3Pane;
/* Opens a folder as a click on it does, and waits until n letters are listed. */
async function open(name, n) {
    if (pane().gFolder != folder(name)) pane().displayFolder(folder(name));
    await until(() => pane().gFolder == folder(name) && pane().gDBView?.numMsgsInView === n && letters(name).length == n,
                30, () => `${pane().gDBView?.numMsgsInView} of ${subjects(name)}`);
}
/* Selects letters and waits until the one, if it is one, is shown; returns its text. */
async function select(name, ...chosen) {
    const p = pane(), rows = chosen.map((s) => p.gDBView.findIndexOfMsgHdr(letter(name, s), true));
    if (rows.includes(0xffffffff)) throw new Error(`${chosen} not listed`);
    p.threadTree.selectedIndices = rows;
    if (rows.length != 1) return null;
    return until(() => {
        const about = p.messageBrowser.contentWindow;
        const shown = about.gMessage && about.gMessage.mime2DecodedSubject == chosen[0] && about.msgLoaded;
        return shown && about.getMessagePaneBrowser().contentDocument?.body?.textContent;
    });
}
const command = (name, ...args) => pane().commandController.doCommand(name, ...args);
async function act(name, chosen, ...what) {
    await select(name, ...[chosen].flat());
    command(...what);
}

/* What the server finds; terms: [[attribute, operator, value], ...], by their names in nsMsgSearchAttrib and nsMsgSearchOp. */
function search(name, terms) {
    const s = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
    s.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folder(name));
    for (const [attribute, operator, value] of terms) {
        const t = s.createTerm(), v = t.value;
        t.attrib = v.attrib = Ci.nsMsgSearchAttrib[attribute];
        t.op = Ci.nsMsgSearchOp[operator];
        if (attribute == "Date") v.date = Date.parse(value) * 1000;
        else if (attribute == "Size") v.size = value;
        else if (attribute == "MsgStatus") v.status = Ci.nsMsgMessageFlags[value];
        else v.str = value;
        t.value = v;
        t.booleanAnd = true;
        s.appendTerm(t);
    }
    const found = [];
    return new Promise((good, bad) => {
        s.registerListener({
            QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]),
            onNewSearch() {},
            onSearchHit: (m) => found.push(m.mime2DecodedSubject),
            onSearchDone: (status) => (Components.isSuccessCode(status) ? good(found.sort()) : bad(new Error(`0x${(status >>> 0).toString(16)}`))),
        });
        s.search(window.msgWindow);
    });
}
/* The compose window that begin() opens, ready to be typed into. */
async function composing(begin) {
    begin();
    const w = await until(() => [...Services.wm.getEnumerator("msgcompose")].find((c) => !c.closed));
    await until(() => w.composeEditorReady);
    return w;
}
function compose(to, subject, body) {
    const letter = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
    const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
    Object.assign(fields, { to, subject, body });
    Object.assign(letter, { composeFields: fields, type: Ci.nsIMsgCompType.New, format: Ci.nsIMsgCompFormat.PlainText, identity });
    MailServices.compose.OpenComposeWindowWithParams(null, letter);
}
async function send(w) {
    w.goDoCommand("cmd_sendNow");
    await until(() => w.closed);
}
