/* The registry of enhanced status codes (RFC 3463, RFC 5248), told to somebody who wrote a letter and knows nothing of
 * codes: what is the matter, and what can be done about it. */
#include "proto/dsn/explain.h"

static const struct meaning {
    uint16_t subject, detail;
    struct str sentence;
} meanings[] = {
    /* RFC 3463 §3.2: addressing */
    {1, 0, S_INIT("Something is wrong with the address. Please check it.")},
    {1, 1, S_INIT("There is no such mailbox. Please check the part of the address before the @.")},
    {1, 2, S_INIT("There is no such mail domain. Please check the part of the address behind the @.")},
    {1, 3, S_INIT("The address is not written as an address has to be. Please check it.")},
    {1, 4, S_INIT("The address could mean several mailboxes. Please write it in full.")},
    {1, 6, S_INIT("The mailbox has moved, and nobody said where to. Please ask for the new address.")},
    {1, 7, S_INIT("The address you sent from is not written as an address has to be.")},
    {1, 8, S_INIT("The other side does not accept the address you sent from.")},
    {1, 9, S_INIT("It was passed on to a system that cannot report back.")},                 /* RFC 3886 §4 */
    {1, 10, S_INIT("The domain says of itself that it takes no mail. Please check it.")},    /* RFC 7505 §4 */
    /* RFC 3463 §3.3: mailbox */
    {2, 0, S_INIT("Something is wrong with the mailbox.")},
    {2, 1, S_INIT("The mailbox is switched off and takes no mail.")},
    {2, 2, S_INIT("The mailbox is full. Its owner has to make room first.")},
    {2, 3, S_INIT("The letter is larger than this mailbox takes. Please send less at once.")},
    {2, 4, S_INIT("The mailing list could not be resolved into its members.")},
    /* RFC 3463 §3.4: mail system */
    {3, 0, S_INIT("The other side's mail system has a problem.")},
    {3, 1, S_INIT("The other side's mail system has no room left.")},
    {3, 2, S_INIT("The other side's mail system takes no mail at present.")},
    {3, 3, S_INIT("The other side's mail system cannot do what the letter needs.")},
    {3, 4, S_INIT("The letter is too large for the other side. Please send less at once.")},
    {3, 5, S_INIT("A mail system on the way is not set up correctly.")},
    {3, 6, S_INIT("It is sent with another priority than was asked for.")},                  /* RFC 6710 §9 */
    /* RFC 3463 §3.5: network and routing */
    {4, 0, S_INIT("The network is in trouble.")},
    {4, 1, S_INIT("No mail server of the other side answered.")},
    {4, 2, S_INIT("The connection to the other side broke off.")},
    {4, 3, S_INIT("It could not be found out which mail server is responsible.")},
    {4, 4, S_INIT("There is no way to the other side: its domain names no mail server that could be used.")},
    {4, 5, S_INIT("The other side has too much to do at present.")},
    {4, 6, S_INIT("The letter went round in circles between mail servers.")},
    {4, 7, S_INIT("It could not be delivered in all the time there was.")},
    /* RFC 3463 §3.6: protocol */
    {5, 0, S_INIT("The two mail servers did not understand each other.")},
    {5, 1, S_INIT("The two mail servers did not understand each other.")},
    {5, 2, S_INIT("The two mail servers did not understand each other.")},
    {5, 3, S_INIT("It has too many recipients for the other side. Please write to fewer at once.")},
    {5, 4, S_INIT("The two mail servers did not understand each other.")},
    {5, 5, S_INIT("The two mail servers did not understand each other.")},
    {5, 6, S_INIT("The two mail servers could not agree on a log-in.")},                     /* RFC 4954 §6 */
    /* RFC 3463 §3.7: content */
    {6, 0, S_INIT("The other side cannot take what is in the letter.")},
    {6, 1, S_INIT("The other side does not take letters with this kind of content.")},
    {6, 2, S_INIT("The letter would have had to be converted, which is not allowed.")},
    {6, 3, S_INIT("The letter would have had to be converted, which cannot be done without damage.")},
    {6, 4, S_INIT("The letter had to be converted, and something was lost.")},
    {6, 5, S_INIT("The letter would have had to be converted, which failed.")},
    {6, 6, S_INIT("The content of the letter could not be fetched.")},                       /* RFC 4468 §5 */
    {6, 7, S_INIT("The other side does not know addresses with other than English letters.")}, /* RFC 6531 §3.4 */
    {6, 8, S_INIT("The other side's answer cannot be shown here.")},
    {6, 9, S_INIT("The other side does not know headers with other than English letters.")},
    {6, 10, S_INIT("The other side's answer cannot be shown here.")},
    /* RFC 3463 §3.8: security and policy */
    {7, 0, S_INIT("The other side refused it by a rule of its own.")},
    {7, 1, S_INIT("The other side does not let you write to this address, or does not like the letter.")},
    {7, 2, S_INIT("You may not write to this mailing list.")},
    {7, 3, S_INIT("The letter would have had to be encrypted otherwise, which cannot be done.")},
    {7, 4, S_INIT("The other side does not support the protection the letter asks for.")},
    {7, 5, S_INIT("The encryption failed.")},
    {7, 6, S_INIT("The other side does not know this kind of encryption.")},
    {7, 7, S_INIT("The letter was damaged or changed on its way.")},
    {7, 8, S_INIT("The log-in at the next mail server was refused.")},                       /* RFC 4954 §6 */
    {7, 9, S_INIT("The next mail server wants a safer way to log in.")},
    {7, 10, S_INIT("The next mail server wants an encrypted connection.")},
    {7, 11, S_INIT("The next mail server wants an encrypted connection.")},
    {7, 12, S_INIT("The password for the next mail server has to be set anew.")},
    {7, 13, S_INIT("The account is switched off.")},                                         /* RFC 5248 §2.3 */
    {7, 14, S_INIT("The next mail server does not trust this one.")},
    {7, 15, S_INIT("The priority of the letter is too low for the other side.")},            /* RFC 6710 §9 */
    {7, 16, S_INIT("The letter is too large for its priority.")},
    {7, 17, S_INIT("The mailbox belongs to somebody else now.")},                            /* RFC 7293 §8 */
    {7, 18, S_INIT("The domain belongs to somebody else now.")},
    {7, 19, S_INIT("It could not be found out whether the mailbox still belongs to the same person.")},
    {7, 20, S_INIT("The other side wants a valid DKIM signature, and found none.")},         /* RFC 7372 §3 */
    {7, 21, S_INIT("The other side found a DKIM signature, but none it accepts.")},
    {7, 22, S_INIT("The other side wants a DKIM signature of the domain in From, and found none.")},
    {7, 23, S_INIT("The sender's domain does not allow this server to send for it (SPF).")},
    {7, 24, S_INIT("What the sender's domain says about its servers (SPF) could not be checked.")},
    {7, 25, S_INIT("The network address of this server has no matching name, which the other side insists on.")},
    {7, 26, S_INIT("The other side could not make sure that the letter comes from its sender.")},
    {7, 27, S_INIT("The domain you sent from says of itself that it takes no mail.")},       /* RFC 7505 §4.2 */
    {7, 28, S_INIT("There was too much mail at once.")},
    {7, 29, S_INIT("What servers on the way said about the letter (ARC) could not be verified.")}, /* RFC 8617 §13 */
    {7, 30, S_INIT("The letter asks for encryption all the way, which the other side does not offer.")}, /* RFC 8689 */
};

struct str dsn_explain(struct status status)
{
    struct str of_subject = S_INIT("");
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (meanings[i].subject != status.subject) continue;
        if (meanings[i].detail == status.detail) return meanings[i].sentence;
        if (meanings[i].detail == 0) of_subject = meanings[i].sentence;
    }
    if (of_subject.n) return of_subject;
    if (status.class == 2) return S("All is well.");
    return status.class == 4 ? S("The other side could not take it just now.") : S("The other side refused it.");
}
