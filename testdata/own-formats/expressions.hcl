# Everything that HCL has, literal or not.
string   = "a\n\"b\" \u00e9 $${not} %%{a template}" // behind
template = "x ${upper("y${z}")} %{ if a }b%{ endif }"
numbers  = [0, -1, 1.50, 1e3, 12345678901234567890]
words    = { yes = true, no : false, "nothing here" = null }
call     = join(",", [
  for x in var.list : "${x}-#" # inside
])
math     = (1 + 2) * 3 > 4 ? "a" : "b" /* behind */
empty    = [[], {}, "",]
plain = <<EOT
  as it is
	$${here}
EOT
indented = <<-EOT
    four
      six

    four
  EOT
script = <<-EOT
  ${var.x}
EOT

locals {
  a = 1
  b = local.a
}

/* two of them */
resource "x" "one" {
  rule { port = 80 }
  rule {
    port = 443 # open
    # the end
  }
  lifecycle {}
}

resource "x" two {
  count = 2
}
