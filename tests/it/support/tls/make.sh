#!/bin/sh
# Makes the throw-away certificates by which tests stand for services of clouds: an authority that
# nobody trusts but a test, a certificate for the names of those services, an RSA key with a
# certificate that an application proves itself by, and the keys of a vault. Run in this folder;
# needs openssl 3.
set -eu
days=36500
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $days \
    -subj '/CN=bulla tests' -keyout authority.key -out authority.pem \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj '/CN=services of clouds' -keyout server.key -out server.csr
cat > server.ext <<'END'
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=DNS:*.vault.azure.net,DNS:*.managedhsm.azure.net,DNS:*.vault.azure.cn,\
DNS:login.microsoftonline.com,DNS:login.chinacloudapi.cn,DNS:evil.example,DNS:*.local.example,\
DNS:*.vault.local.example,DNS:*.eu-west-101.myhuaweicloud.eu,DNS:*.cn-north-4.myhuaweicloud.com
END
openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -days $days \
    -extfile server.ext -out server.pem
openssl req -x509 -newkey rsa:2048 -nodes -days $days -subj '/CN=an application' \
    -keyout application.key -out application.crt
cat application.key application.crt > application.pem
for name in vault-1 vault-2; do
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $name.key
done
rm -f authority.key server.csr server.ext application.key application.crt *.srl
