//! `#[rule]`: makes a rule of an ordinary function, whose documentation is the rule.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, Ident, ItemFn, Lit, LitStr, Meta, Token, Type,
    parse::{Parse, ParseStream},
    parse_macro_input,
    spanned::Spanned,
};

/// Makes a rule, and the case that checks it, of an async function over a world.
///
/// ```text
/// /// After a rotation the old id finds nothing.
/// ///
/// /// A stolen id would outlive the login that was meant to end it.
/// #[rule("session::rotate::old_id_dies", source = "spring-session #1972")]
/// async fn old_id_dies(w: &Sessions) -> Checked { … }
/// ```
///
/// The first paragraph of the documentation is the rule, what follows is why it exists. Further
/// arguments: `capability = "…"` for rules that hold only where that is claimed, `disclaimed` for
/// the rule that holds where it is not, `should` for a rule that is advice, and `environments = "…"`
/// with the names of those (`time_zone, collation`) that could break it on an adapter that keeps it elsewhere.
#[proc_macro_attribute]
pub fn rule(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as Arguments);
    let item = parse_macro_input!(item as ItemFn);
    expand(&arguments, &item)
        .unwrap_or_else(|error| {
            let error = error.to_compile_error();
            quote!(#item #error)
        })
        .into()
}

struct Arguments {
    id: LitStr,
    source: Option<LitStr>,
    capability: Option<LitStr>,
    environments: Vec<Ident>,
    disclaimed: bool,
    should: bool,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self {
            id: input.parse()?,
            source: None,
            capability: None,
            environments: Vec::new(),
            disclaimed: false,
            should: false,
        };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let name: Ident = input.parse()?;
            match name.to_string().as_str() {
                "disclaimed" => arguments.disclaimed = true,
                "should" => arguments.should = true,
                "source" => {
                    input.parse::<Token![=]>()?;
                    arguments.source = Some(input.parse()?);
                }
                "capability" => {
                    input.parse::<Token![=]>()?;
                    arguments.capability = Some(input.parse()?);
                }
                "environments" => {
                    input.parse::<Token![=]>()?;
                    arguments.environments = environments(&input.parse()?)?;
                }
                _ => {
                    return Err(Error::new(
                        name.span(),
                        "expected source, capability, environments, disclaimed or should",
                    ));
                }
            }
        }
        Ok(arguments)
    }
}

/// The variants of `Environment` that a text names, with commas between.
fn environments(names: &LitStr) -> syn::Result<Vec<Ident>> {
    let variant = |name: &str| match name.trim() {
        "pool_of_one" => Some("PoolOfOne"),
        "time_zone" => Some("TimeZone"),
        "isolation" => Some("Isolation"),
        "collation" => Some("Collation"),
        "holder" => Some("Holder"),
        _ => None,
    };
    let names_known = "expected some of pool_of_one, time_zone, isolation, collation, holder";
    let found = names.value();
    let found = found.split(',').map(|name| {
        let variant = variant(name).ok_or_else(|| Error::new(names.span(), names_known))?;
        Ok(Ident::new(variant, names.span()))
    });
    found.collect()
}

fn expand(arguments: &Arguments, item: &ItemFn) -> Result<Tokens, Error> {
    let (text, why) = documentation(&item.attrs, item.span())?;
    let name = &item.sig.ident;
    let world = world_of(item)?;
    let id = &arguments.id;
    if id.value().split("::").count() != 3 {
        return Err(Error::new(id.span(), "an id is port::subject::behaviour"));
    }
    let source = arguments
        .source
        .as_ref()
        .ok_or_else(|| Error::new(id.span(), "a rule names its source"))?;
    let capability = match &arguments.capability {
        Some(capability) => quote!(::std::option::Option::Some(#capability)),
        None => quote!(::std::option::Option::None),
    };
    if arguments.disclaimed && arguments.capability.is_none() {
        return Err(Error::new(id.span(), "disclaimed needs a capability"));
    }
    let environments = &arguments.environments;
    let (disclaimed, level) = (
        arguments.disclaimed,
        if arguments.should {
            quote!(Should)
        } else {
            quote!(Must)
        },
    );
    let mut plain = item.clone();
    plain.attrs.retain(|a| !a.path().is_ident("doc"));
    let body_name = Ident::new(&format!("check_{name}"), name.span());
    plain.sig.ident = body_name.clone();
    Ok(quote! {
        #plain

        fn #name() -> ::portproof::Case<<#world as ::portproof::World>::Stores> {
            ::portproof::Case::new::<#world>(
                ::portproof::Rule {
                    id: #id,
                    profile: ::portproof::Profile::Core,
                    level: ::portproof::Level::#level,
                    capability: #capability,
                    disclaimed: #disclaimed,
                    environments: &[#(::portproof::Environment::#environments),*],
                    text: #text,
                    why: #why,
                    source: #source,
                },
                |world| ::std::boxed::Box::pin(#body_name(world)),
            )
        }
    })
}

/// The first paragraph, and the rest.
fn documentation(
    attributes: &[Attribute],
    span: proc_macro2::Span,
) -> Result<(String, String), Error> {
    let lines: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(line),
                    ..
                }) => Some(line.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    let mut paragraphs = lines
        .split(String::is_empty)
        .map(|lines| lines.join(" "))
        .filter(|paragraph| !paragraph.is_empty());
    let text = paragraphs.next();
    let why = paragraphs.collect::<Vec<_>>().join("\n");
    match text {
        Some(text) if !why.is_empty() => Ok((text, why)),
        _ => Err(Error::new(
            span,
            "a rule's documentation says what holds, and in a further paragraph why",
        )),
    }
}

/// The `W` of the only argument, `&W`.
fn world_of(item: &ItemFn) -> Result<Type, Error> {
    if item.sig.inputs.len() == 1
        && let Some(FnArg::Typed(argument)) = item.sig.inputs.first()
        && let Type::Reference(reference) = argument.ty.as_ref()
    {
        return Ok(reference.elem.as_ref().clone());
    }
    Err(Error::new(
        item.sig.span(),
        "a rule's function takes a reference to its world",
    ))
}
