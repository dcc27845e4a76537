//! The published examples of AWS: those of the Amazon S3 API reference ("Authenticating Requests: Using the
//! Authorization Header (AWS Signature Version 4)"), and the test suite of Signature Version 4.

use super::*;

/// A request with the published results.
struct Example {
    name: &'static str,
    method: &'static str,
    /// The path, not encoded.
    key: &'static str,
    query: &'static str,
    fields: &'static [(&'static str, &'static str)],
    body: &'static str,
    /// The canonical request without its last line, which is the hash of the body.
    canonical: &'static str,
    /// The last line of the string to sign.
    digest: &'static str,
    signature: &'static str,
}

const S3_HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");
const S3_DATE: (&str, &str) = ("x-amz-date", "20130524T000000Z");
const S3: &[Example] = &[
    Example {
        name: "GET Object",
        method: "GET",
        key: "/test.txt",
        query: "",
        fields: &[S3_HOST, ("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY_BODY), S3_DATE],
        body: "",
        canonical: "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\nx-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nx-amz-date:20130524T000000Z\n\nhost;range;x-amz-content-sha256;x-amz-date",
        digest: "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
        signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    },
    Example {
        name: "PUT Object",
        method: "PUT",
        key: "/test$file.text",
        query: "",
        fields: &[
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            S3_HOST,
            (
                "x-amz-content-sha256",
                "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            ),
            S3_DATE,
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ],
        body: "Welcome to Amazon S3.",
        canonical: "PUT\n/test%24file.text\n\ndate:Fri, 24 May 2013 00:00:00 GMT\nhost:examplebucket.s3.amazonaws.com\nx-amz-content-sha256:44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\nx-amz-date:20130524T000000Z\nx-amz-storage-class:REDUCED_REDUNDANCY\n\ndate;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        digest: "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
        signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    },
    Example {
        name: "GET Bucket Lifecycle",
        method: "GET",
        key: "/",
        query: "lifecycle=",
        fields: &[S3_HOST, ("x-amz-content-sha256", EMPTY_BODY), S3_DATE],
        body: "",
        canonical: "GET\n/\nlifecycle=\nhost:examplebucket.s3.amazonaws.com\nx-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nx-amz-date:20130524T000000Z\n\nhost;x-amz-content-sha256;x-amz-date",
        digest: "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
        signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    },
    Example {
        name: "Get Bucket (List Objects)",
        method: "GET",
        key: "/",
        query: "max-keys=2&prefix=J",
        fields: &[S3_HOST, ("x-amz-content-sha256", EMPTY_BODY), S3_DATE],
        body: "",
        canonical: "GET\n/\nmax-keys=2&prefix=J\nhost:examplebucket.s3.amazonaws.com\nx-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nx-amz-date:20130524T000000Z\n\nhost;x-amz-content-sha256;x-amz-date",
        digest: "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
        signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    },
];

const SUITE_HOST: (&str, &str) = ("host", "example.amazonaws.com");
const SUITE_DATE: (&str, &str) = ("x-amz-date", "20150830T123600Z");
/// The cases of the suite that a signer for S3 can have. It has none that replace `.` and `//` in paths
/// (get-relative-normalized, get-relative-relative-normalized, get-slash-normalized, get-slash-dot-slash-normalized,
/// get-slash-pointless-dot-normalized, get-slashes-normalized) or encode paths twice (double-encode-path,
/// double-url-encode): S3 does neither. Its requests have no query to sort or encode (get-vanilla-query-order-encoded,
/// get-vanilla-query-order-key-case, get-vanilla-utf8-query), and each of its fields has one value without surplus
/// spaces (get-header-key-duplicate, get-header-value-order, get-header-value-multiline, get-header-value-trim).
const SUITE: &[Example] = &[
    Example {
        name: "get-relative-relative-unnormalized",
        method: "GET",
        key: "/example1/example2/../..",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n/example1/example2/../..\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "76115030c0f3ff06c20fdff5ceb6d5e0b835a1743e00b94fea7c7f381269437b",
        signature: "dc33e0856fd4baca4d7aa2146c38958283844764f38c74252a333df5e613003b",
    },
    Example {
        name: "get-relative-unnormalized",
        method: "GET",
        key: "/example/..",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n/example/..\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "0511f456aa502b456d135fcb9d749374a55228f9dbeedda1eacf659e05b0615b",
        signature: "eca7ead57bb5aa5c8e28007acd4ff04e1ff9a0ff3b237ec1554a184887ff9282",
    },
    Example {
        name: "get-slash-dot-slash-unnormalized",
        method: "GET",
        key: "/./",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n/./\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "d67825e2268bd77a97c7688b8d72c31a3c1855b309808505ba0a9747d2465aa7",
        signature: "68714168e6557f8f2de0ef956fc24dc2593a4bd2961f8df51898d8a134695145",
    },
    Example {
        name: "get-slash-pointless-dot-unnormalized",
        method: "GET",
        key: "/./example",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n/./example\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "73895e0e829507e28e39fd24669aedc2434a8e179e547e3c075b42921f952cdb",
        signature: "beb03f223f7deae4146464f06e29eebbee9c8afbe15c290cf07aa8b119e14cff",
    },
    Example {
        name: "get-slash-unnormalized",
        method: "GET",
        key: "//",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n//\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "80cb39203d058af815de2b79250ff56e1b73eb9b4718c86556cdc6f150c5d209",
        signature: "c88bcd3d312d75078c0cd961d6deae3f4c754924b01669efcfcb439fd5e5b76e",
    },
    Example {
        name: "get-slashes-unnormalized",
        method: "GET",
        key: "//example//",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n//example//\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "528ec3105ee1f34ab014bb0a1a45da0ed2742a4fea3555149e5b4d5d201eb240",
        signature: "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5",
    },
    Example {
        name: "get-space-normalized",
        method: "GET",
        key: "/example space/",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n/example%20space/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "63ee75631ed7234ae61b5f736dfc7754cdccfedbff4b5128a915706ee9390d86",
        signature: "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
    },
    Example {
        name: "get-space-unnormalized",
        method: "GET",
        key: "/example space/",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n/example%20space/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "63ee75631ed7234ae61b5f736dfc7754cdccfedbff4b5128a915706ee9390d86",
        signature: "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
    },
    Example {
        name: "get-unreserved",
        method: "GET",
        key: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "6a968768eefaa713e2a6b16b589a8ea192661f098f37349f4e2c0082757446f9",
        signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    },
    Example {
        name: "get-utf8",
        method: "GET",
        key: "/ሴ",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n/%E1%88%B4\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "2a0a97d02205e45ce2e994789806b19270cfbbb0921b278ccf58f5249ac42102",
        signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    },
    Example {
        name: "get-vanilla",
        method: "GET",
        key: "/",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
        signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    },
    Example {
        name: "get-vanilla-empty-query-key",
        method: "GET",
        key: "/",
        query: "Param1=value1",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n/\nParam1=value1\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "1e24db194ed7d0eec2de28d7369675a243488e08526e8c1c73571282f7c517ab",
        signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
    },
    Example {
        name: "get-vanilla-query",
        method: "GET",
        key: "/",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
        signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    },
    Example {
        name: "get-vanilla-query-unreserved",
        method: "GET",
        key: "/",
        query: "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "GET\n/\n-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "c30d4703d9f799439be92736156d47ccfb2d879ddf56f5befa6d1d6aab979177",
        signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
    },
    Example {
        name: "get-vanilla-with-session-token",
        method: "GET",
        key: "/",
        query: "",
        fields: &[
            SUITE_HOST,
            SUITE_DATE,
            (
                "x-amz-security-token",
                "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
            ),
        ],
        body: "",
        canonical: "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\nx-amz-security-token:6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267\n\nhost;x-amz-date;x-amz-security-token",
        digest: "067b36aa60031588cea4a4cde1f21215227a047690c72247f1d70b32fbbfad2b",
        signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
    },
    Example {
        name: "post-header-key-case",
        method: "POST",
        key: "/",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "POST\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87",
        signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    },
    Example {
        name: "post-header-key-sort",
        method: "POST",
        key: "/",
        query: "",
        fields: &[SUITE_HOST, ("my-header1", "value1"), SUITE_DATE],
        body: "",
        canonical: "POST\n/\n\nhost:example.amazonaws.com\nmy-header1:value1\nx-amz-date:20150830T123600Z\n\nhost;my-header1;x-amz-date",
        digest: "9368318c2967cf6de74404b30c65a91e8f6253e0a8659d6d5319f1a812f87d65",
        signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    },
    Example {
        name: "post-header-value-case",
        method: "POST",
        key: "/",
        query: "",
        fields: &[SUITE_HOST, ("my-header1", "VALUE1"), SUITE_DATE],
        body: "",
        canonical: "POST\n/\n\nhost:example.amazonaws.com\nmy-header1:VALUE1\nx-amz-date:20150830T123600Z\n\nhost;my-header1;x-amz-date",
        digest: "d51ced243e649e3de6ef63afbbdcbca03131a21a7103a1583706a64618606a93",
        signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    },
    Example {
        name: "post-sts-header-after",
        method: "POST",
        key: "/",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "POST\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87",
        signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    },
    Example {
        name: "post-sts-header-before",
        method: "POST",
        key: "/",
        query: "",
        fields: &[
            SUITE_HOST,
            SUITE_DATE,
            (
                "x-amz-security-token",
                "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==",
            ),
        ],
        body: "",
        canonical: "POST\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\nx-amz-security-token:AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==\n\nhost;x-amz-date;x-amz-security-token",
        digest: "c237e1b440d4c63c32ca95b5b99481081cb7b13c7e40434868e71567c1a882f6",
        signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    },
    Example {
        name: "post-vanilla",
        method: "POST",
        key: "/",
        query: "",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "POST\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87",
        signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    },
    Example {
        name: "post-vanilla-empty-query-value",
        method: "POST",
        key: "/",
        query: "Param1=value1",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "POST\n/\nParam1=value1\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "9d659678c1756bb3113e2ce898845a0a79dbbc57b740555917687f1b3340fbbd",
        signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
    },
    Example {
        name: "post-vanilla-query",
        method: "POST",
        key: "/",
        query: "Param1=value1",
        fields: &[SUITE_HOST, SUITE_DATE],
        body: "",
        canonical: "POST\n/\nParam1=value1\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date",
        digest: "9d659678c1756bb3113e2ce898845a0a79dbbc57b740555917687f1b3340fbbd",
        signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
    },
    Example {
        name: "post-x-www-form-urlencoded",
        method: "POST",
        key: "/",
        query: "",
        fields: &[
            ("content-length", "13"),
            ("content-type", "application/x-www-form-urlencoded"),
            SUITE_HOST,
            (
                "x-amz-content-sha256",
                "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
            ),
            SUITE_DATE,
        ],
        body: "Param1=value1",
        canonical: "POST\n/\n\ncontent-length:13\ncontent-type:application/x-www-form-urlencoded\nhost:example.amazonaws.com\nx-amz-content-sha256:9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e\nx-amz-date:20150830T123600Z\n\ncontent-length;content-type;host;x-amz-content-sha256;x-amz-date",
        digest: "b1edd1d03544c25390e32085d55b57acc9a3961bb59415ff86c45c3d89d16cfb",
        signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
    },
    Example {
        name: "post-x-www-form-urlencoded-parameters",
        method: "POST",
        key: "/",
        query: "",
        fields: &[
            ("content-length", "13"),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            SUITE_HOST,
            (
                "x-amz-content-sha256",
                "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
            ),
            SUITE_DATE,
        ],
        body: "Param1=value1",
        canonical: "POST\n/\n\ncontent-length:13\ncontent-type:application/x-www-form-urlencoded; charset=utf-8\nhost:example.amazonaws.com\nx-amz-content-sha256:9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e\nx-amz-date:20150830T123600Z\n\ncontent-length;content-type;host;x-amz-content-sha256;x-amz-date",
        digest: "a89f1a5b53e37702ee6363ce1da3ce8f54386f3c8f352ae652153c2982a0bc4d",
        signature: "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
    },
];

fn keys(id: &str, secret: &str) -> AwsKeys {
    AwsKeys { access_key_id: id.into(), secret_access_key: secret.into(), session_token: None }
}

/// Tests all steps of an example.
#[track_caller]
fn check(example: &Example, service: &str, keys: &AwsKeys) {
    let Example { name, method, key, query, fields, body, canonical, digest, signature } = example;
    let mut path = String::new();
    encode_key(key.as_bytes(), &mut path);
    let date = fields.iter().find(|(name, _)| *name == "x-amz-date").unwrap().1;
    let region = "us-east-1";
    let request = SignedRequest { method, path: &path, fields, region, date };
    let names = fields.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let body = hex(digest::digest(&digest::SHA256, body.as_bytes()).as_ref());
    let received = canonical_request(&request, &names, (query, &body));
    assert_eq!(received, format!("{canonical}\n{body}"), "{name}");

    let scope = SignatureScope { date, region, service };
    let day = &date[..8];
    let text =
        format!("AWS4-HMAC-SHA256\n{date}\n{day}/us-east-1/{service}/aws4_request\n{digest}");
    assert_eq!(scope.string_to_sign(&received), text, "{name}");
    assert_eq!(scope.sign(&text, keys), *signature, "{name}");

    if service == "s3" && query.is_empty() && body == EMPTY_BODY {
        let id = &keys.access_key_id;
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential={id}/{day}/us-east-1/s3/aws4_request, SignedHeaders={names}, \
             Signature={signature}"
        );
        assert_eq!(authorization(&request, keys), expected, "{name}");
    }
}

#[test]
fn published_examples_of_s3_have_the_published_signatures() {
    let keys = keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    S3.iter().for_each(|example| check(example, "s3", &keys));
}

#[test]
fn published_test_suite_has_the_published_signatures() {
    let keys = keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    SUITE.iter().for_each(|example| check(example, "service", &keys));
}

#[test]
fn keys_are_encoded_once() {
    for (key, expected) in [
        ("a b+c.txt", "/a%20b%2Bc.txt"),
        ("%41", "/%2541"),
        ("a//b", "/a//b"),
        ("\u{fc}?#*~", "/%C3%BC%3F%23%2A~"),
    ] {
        let mut path = "/".to_owned();
        encode_key(key.as_bytes(), &mut path);
        assert_eq!(path, expected);
    }
}
