/* Numbers of the DNS message format (RFC 1035 §4.1.1, RFC 6895) shared by writing and reading. Only for proto/dns. */
#ifndef PROTO_DNS_WIRE_H
#define PROTO_DNS_WIRE_H

enum {
    HEADER_SIZE = 12,

    FLAG_QR = 0x8000,
    FLAG_OPCODE = 0x7800,
    FLAG_TC = 0x0200,
    FLAG_RD = 0x0100,
    FLAG_AD = 0x0020,
    FLAG_RCODE = 0x000f,

    RCODE_NOERROR = 0,
    RCODE_FORMERR = 1,
    RCODE_NXDOMAIN = 3,
    RCODE_NOTIMP = 4,

    TYPE_SOA = 6,
    TYPE_OPT = 41,
    CLASS_IN = 1,
};

#endif
