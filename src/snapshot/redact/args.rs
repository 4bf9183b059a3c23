//! Credentials on command lines. Flag names stay, so that a check can still say which flag carries one.

use super::{
    looks::{is_path, is_trivial, looks_random},
    rules::{class_of_name, class_of_shape},
    text::{class_of_text, looks_opaque},
    token::Class,
};

/// What to hide in one argument: the class, and the byte at which the hidden part starts.
pub(super) type Hidden = (Class, usize);

/// Reads arguments in order, because `--password` speaks of the argument after it.
#[derive(Clone, Default)]
pub(super) struct CommandLine {
    next: Option<Class>,
}

impl CommandLine {
    /// What to hide in the next argument.
    pub(super) fn argument(&mut self, argument: &str) -> Option<Hidden> {
        if let Some(class) = self.next.take()
            && !argument.starts_with("--")
            && !is_trivial(argument)
            && !is_path(argument)
        {
            return Some((class, 0));
        }
        if argument.contains(char::is_whitespace) {
            return class_of_text(argument).map(|class| (class, 0));
        }
        let name_end = argument.find('=').filter(|at| *at > 0);
        if let Some(at) = name_end
            && argument[..at].bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/'))
        {
            return value_class(&argument[..at], &argument[at + 1..]).map(|class| (class, at + 1));
        }
        if let Some(flag) = argument.strip_prefix('-') {
            if let Some(class) = attached(flag) {
                return Some((class, 2));
            }
            self.next = class_of_name(flag).or_else(|| short_flag(flag));
            return if self.next.is_some() && !looks_random(flag) { None } else { whole(argument) };
        }
        whole(argument)
    }
}

/// The class of a flag's value.
pub(super) fn value_class(name: &str, value: &str) -> Option<Class> {
    if is_trivial(value) {
        return None;
    }
    let named = class_of_name(name).or_else(|| user_with_password(name, value)).filter(|_| !is_path(value));
    class_of_shape(value).or(named).or_else(|| class_of_text(value))
}

fn whole(argument: &str) -> Option<Hidden> {
    class_of_text(argument).or_else(|| looks_opaque(argument).then_some(Class::Token)).map(|class| (class, 0))
}

/// `-p` and `-a` take a password in many clients, `-u` a user with one.
fn short_flag(flag: &str) -> Option<Class> {
    matches!(flag, "p" | "a" | "u" | "P").then_some(Class::Password)
}

/// `--user=name:password`; `--user=1000:1000` are numbers.
fn user_with_password(name: &str, value: &str) -> Option<Class> {
    let (user, password) = value.split_once(':')?;
    let names_user = ["user", "username", "login"].iter().any(|n| name.to_ascii_lowercase().ends_with(n));
    (names_user && !user.is_empty() && password.bytes().any(|b| !b.is_ascii_digit())).then_some(Class::Password)
}

/// `-pPASSWORD`, as database clients take it.
fn attached(flag: &str) -> Option<Class> {
    let value = flag.strip_prefix('p')?;
    let mixed = value.bytes().any(|b| b.is_ascii_digit()) && value.bytes().any(|b| b.is_ascii_alphabetic());
    (value.len() >= 6 && (mixed || looks_random(value))).then_some(Class::Password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(arguments: &[&str]) -> Vec<String> {
        let mut line = CommandLine::default();
        arguments
            .iter()
            .map(|a| match line.argument(a) {
                Some((class, at)) => format!("{}<{}>", &a[..at], class.as_str()),
                None => (*a).to_owned(),
            })
            .collect()
    }

    #[test]
    fn flags_keep_their_names_and_lose_their_credentials() {
        assert_eq!(
            hide(&[
                "server",
                "--db-password=hunter2",
                "--api-token",
                "abc-def",
                "--port=8080",
                "DB_PASSWORD=hunter2",
                "--db=postgres://app:pw@db/shop",
                "-psecret99",
                "--user=admin:pw",
                "--slack=https://hooks.slack.com/services/T0/B0/x",
                "Xa9Kd82LmQp01ZzTq",
                "AKIAIOSFODNN7EXAMPLE",
                "s3cr3t-password-value-1",
            ]),
            [
                "server",
                "--db-password=<password>",
                "--api-token",
                "<token>",
                "--port=8080",
                "DB_PASSWORD=<password>",
                "--db=<url-userinfo>",
                "-p<password>",
                "--user=<password>",
                "--slack=<token>",
                "<token>",
                "<token>",
                "<token>",
            ]
        );
    }

    #[test]
    fn a_control_plane_command_line_stays_as_it_is() {
        let arguments = [
            "kube-apiserver",
            "--advertise-address=10.0.0.4",
            "--allow-privileged=true",
            "--anonymous-auth=false",
            "--authorization-mode=Node,RBAC",
            "--client-ca-file=/etc/kubernetes/pki/ca.crt",
            "--enable-admission-plugins=NodeRestriction,PodSecurity,DefaultTolerationSeconds",
            "--enable-bootstrap-token-auth=true",
            "--etcd-keyfile=/etc/kubernetes/pki/apiserver-etcd-client.key",
            "--etcd-servers=https://127.0.0.1:2379",
            "--kubelet-client-key=/etc/kubernetes/pki/apiserver-kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
            "--proxy-client-key-file=/etc/kubernetes/pki/front-proxy-client.key",
            "--requestheader-allowed-names=front-proxy-client",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--service-account-key-file=/etc/kubernetes/pki/sa.pub",
            "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384",
            "--feature-gates=RotateKubeletServerCertificate=true,ServiceAccountTokenNodeBinding=true",
            "--use-service-account-credentials=true",
            "--root-ca-file=/etc/kubernetes/pki/ca.crt",
            "--audit-log-maxage=30",
            "--event-ttl=1h0m0s",
            "--node-name=ip-10-0-12-7.eu-central-1.compute.internal",
            "--password=$(DB_PASSWORD)",
            "--user=1000:1000",
            "-v=2",
        ];
        assert_eq!(hide(&arguments), arguments);
    }
}
